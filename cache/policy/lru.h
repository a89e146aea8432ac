// Least recently used first: the page whose last reader left longest ago.
#pragma once

#include "cache/policy/eviction_policy.h"

namespace lockstep {

class LruPolicy : public EvictionPolicy {
 public:
  uint64_t score(const PageFacts& page) const override;
};

}  // namespace lockstep
