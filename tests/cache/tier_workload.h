// Random requests over small pools of several tiers.
#pragma once

#include "tests/cache/planner_simulation.h"

#include <cstdint>
#include <vector>

namespace lockstep {

struct TierWorkload {
  PlannerConfig config;
  std::vector<SimulatedRequest> requests;
};

/// Few distinct prefixes, small pools, all policies and orders.
TierWorkload random_tier_workload(uint64_t seed, int64_t most_requests = 40);
/// What the requests say where nothing is shared, moved or evicted.
std::vector<std::vector<TokenId>> plain_outputs(const TierWorkload& workload);

}  // namespace lockstep
