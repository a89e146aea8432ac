// Least frequently used first: the page with the fewest readers since it entered the cache; of equal ones the least
// recently used. The count is lost when the page leaves.
#pragma once

#include "cache/policy/eviction_policy.h"

namespace lockstep {

class LfuPolicy : public EvictionPolicy {
 public:
  /// Exact below 2^24 readers and a clock of 2^40; greater values count as these.
  uint64_t score(const PageFacts& page) const override;
};

}  // namespace lockstep
