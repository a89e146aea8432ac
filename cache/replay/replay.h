// Runs an eviction policy alone over a trace: the planner's rules without a model, an engine or time.
//
// Requests run one after the other. A request finds the longest cached prefix of its chain (hits), then holds its whole
// chain: blocks that are missing enter one by one, each in a free place or in that of a leaf that the request does not
// hold. A chain longer than the cache enters as far as the cache is large. Clock and next use are numbers of requests.
#pragma once

#include "cache/policy/eviction_policy.h"
#include "cache/replay/request_trace.h"

#include <cstdint>
#include <functional>
#include <span>

namespace lockstep {

struct ReplayCounts {
  int64_t accesses = 0;
  int64_t hits = 0;       // blocks that were cached when their request came
  int64_t evictions = 0;  // blocks that left
  int64_t returns = 0;    // blocks that entered after they had left: evicted and then wanted after all
  bool operator==(const ReplayCounts&) const = default;
};

/// The trace under `policy`, with places for `capacity` ≥ 1 blocks. `next`: next_requests(trace) for a policy that
/// knows the future, empty for one that does not. `progress`, if given, is called now and then with the requests done.
ReplayCounts replay(const RequestTrace& trace, int64_t capacity, EvictionPolicy& policy, std::span<const uint32_t> next,
                    const std::function<void(int64_t)>& progress = {});

}  // namespace lockstep
