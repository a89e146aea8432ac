// `adaptive` where the requests to come are known: the page whose next planned use is farthest leaves first, which is
// Belady's MIN. A page is needed no later than the pages behind it, so MIN never wants to evict anything but leaves.
// Source: Belady 1966; Mattson et al. 1970 (optimality of evicting the farthest use).
#pragma once

#include "cache/policy/eviction_policy.h"

namespace lockstep {

/// Order: pages without a planned reader, then by next use, the farthest first. Among pages without a planned reader
/// generated text first, then the deeper, then the less recently used. Learns nothing.
class PlannedUsePolicy : public EvictionPolicy {
 public:
  /// Below 2^63. Exact for depths below 2^21, a clock below 2^40 and next uses below 2^62; greater values count as
  /// these.
  uint64_t score(const PageFacts& page) const override;
};

}  // namespace lockstep
