// Which cached page is worth least: the only question an eviction policy answers.
//
// The prefix tree offers its leaves (cached pages that no sequence references and no cached page continues), the policy
// scores them, the planner decides when and how many leave. A policy is a pure function of what it is told, so that the
// same job evicts the same pages in every run.
#pragma once

#include "core/ids.h"

#include <cstdint>

namespace lockstep {

/// What is known of a page when it becomes a leaf that may be evicted.
struct LeafHistory {
  PageId page;
  uint64_t last_use = 0;  // number of the first plan that no longer reads it
};

class EvictionPolicy {
 public:
  virtual ~EvictionPolicy() = default;
  /// Worth of keeping the leaf: the lowest leaves first; of equal ones the higher page id. Asked once, when the page
  /// becomes an evictable leaf; a page that is referenced again is scored anew afterwards.
  virtual uint64_t score(const LeafHistory& leaf) const = 0;
};

}  // namespace lockstep
