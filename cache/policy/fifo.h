// First in, first out: the page that entered the cache longest ago, however often it was read since.
#pragma once

#include "cache/policy/eviction_policy.h"

namespace lockstep {

class FifoPolicy : public EvictionPolicy {
 public:
  uint64_t score(const PageFacts& page) const override;
};

}  // namespace lockstep
