#include "tests/cache/tier_workload.h"

#include "tests/cache/draw.h"

#include <algorithm>

namespace lockstep {
namespace {

// Half of what follows `compressed`; from a source of its own, so that all else is as without it.
void draw_cold_slots(uint64_t seed, PlannerConfig& config) {
  Draw draw(seed ^ 0xc01d);
  if (config.policy != "compressed" || draw.one_in(2)) return;
  config.tiers.cold_slots = draw.between(1, 30);
  config.offload = false;  // what is read on the host is never cold
  config.tiers.host_slots = draw.between(1, 12);
  config.tiers.cold_takes_first = !config.splits_first_page && draw.one_in(2);
}

}  // namespace

TierWorkload random_tier_workload(uint64_t seed, int64_t most_requests) {
  static constexpr const char* kPolicies[] = {"lru", "lfu", "fifo", "adaptive", "compressed"};
  Draw draw(seed);
  TierWorkload workload;
  PlannerConfig& config = workload.config;
  config.page_tokens = draw.between(1, 6);
  config.num_slots = draw.between(8, 24);
  config.max_step_tokens = config.page_tokens * draw.between(1, 6) + draw.between(0, 3);
  config.max_sequences = draw.between(1, 8);
  config.prefill_chunk = draw.one_in(2) ? 0 : config.page_tokens * draw.between(1, 3);
  config.cache_key = {seed, 1};
  config.policy = kPolicies[draw.between(0, 4)];
  config.knows_future = draw.one_in(2);
  config.order = draw.one_in(2) ? ScheduleOrder::kInput : ScheduleOrder::kReuse;
  config.tiers.host_slots = draw.between(1, 30);
  config.tiers.disk_pages = draw.one_in(3) ? 0 : draw.between(4, 60);
  config.tiers.disk_pages_per_segment = draw.between(1, 4);
  config.tiers.fetch_ahead_pages = draw.between(0, 10);
  config.tiers.copy_ahead_pages = draw.one_in(2) ? 0 : draw.between(1, 6);
  config.tiers.faults_until_off = 1000000;
  draw_formats(draw, config);
  draw_cold_slots(seed, config);
  const int64_t capacity = (config.num_slots - (config.splits_first_page ? 1 : 0)) * config.page_tokens;
  int64_t arrival = 0;
  for (int64_t i = 0, count = draw.between(1, most_requests); i < count; ++i) {
    SimulatedRequest request;
    request.max_new_tokens = draw.between(1, std::min<int64_t>(capacity / 2, 20));
    const int64_t num_prompt = draw.between(1, std::min<int64_t>(capacity - request.max_new_tokens, 60));
    int32_t block = 0;
    for (int64_t t = 0; t < num_prompt; ++t) {
      if (t % (2 * config.page_tokens) == 0) block = static_cast<int32_t>(draw.between(0, 2));
      request.prompt.push_back(TokenId(block));
    }
    request.sampling_seed = static_cast<uint64_t>(draw.between(0, 1));
    if (draw.one_in(3)) arrival += draw.between(0, 10);
    request.arrival_step = arrival;
    request.scores_prompt = draw.one_in(8);
    workload.requests.push_back(std::move(request));
  }
  return workload;
}

std::vector<std::vector<TokenId>> plain_outputs(const TierWorkload& workload) {
  PlannerConfig config = workload.config;
  config.tiers = {};
  config.offload = false;
  config.share_prefixes = false;
  PlannerSimulation simulation(config, workload.requests);
  simulation.run();
  return simulation.outputs();
}

}  // namespace lockstep
