// Random workloads over small pools: whatever is shared, evicted or preempted, every sequence reads its own past.
#include "tests/cache/draw.h"
#include "tests/cache/planner_simulation.h"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

struct Workload {
  PlannerConfig config;
  std::vector<SimulatedRequest> requests;
};

// Prompts are made of few blocks, so that prefixes of all lengths are shared; some prompts are equal.
Workload random_workload(uint64_t seed, bool with_cancellations) {
  Draw draw(seed);
  Workload workload;
  PlannerConfig& config = workload.config;
  config.page_tokens = draw.between(1, 8);
  config.num_slots = draw.between(6, 40);
  config.max_step_tokens = config.page_tokens * draw.between(1, 6) + draw.between(0, 3);
  config.max_sequences = draw.between(1, 12);
  config.prefill_chunk = draw.one_in(2) ? 0 : config.page_tokens * draw.between(1, 3);
  config.cache_key = {seed, 1};
  draw_formats(draw, config);
  const int64_t capacity = (config.num_slots - (config.splits_first_page ? 1 : 0)) * config.page_tokens;
  int64_t arrival = 0;
  for (int64_t i = 0, count = draw.between(1, 40); i < count; ++i) {
    SimulatedRequest request;
    request.max_new_tokens = draw.between(1, std::min<int64_t>(capacity / 2, 30));
    const int64_t num_prompt = draw.between(1, std::min<int64_t>(capacity - request.max_new_tokens, 60));
    int32_t block = 0;
    for (int64_t t = 0; t < num_prompt; ++t) {
      if (t % (2 * config.page_tokens) == 0) block = static_cast<int32_t>(draw.between(0, 2));
      request.prompt.push_back(TokenId(block));
    }
    request.sampling_seed = static_cast<uint64_t>(draw.between(0, 1));
    request.stop_modulus = draw.one_in(2) ? 0 : static_cast<uint64_t>(draw.between(2, 20));
    if (draw.one_in(3)) arrival += draw.between(0, 10);
    request.arrival_step = arrival;
    if (with_cancellations && draw.one_in(3)) request.cancel_step = arrival + draw.between(0, 20);
    request.scores_prompt = draw.one_in(4);
    workload.requests.push_back(std::move(request));
  }
  return workload;
}

std::vector<std::vector<TokenId>> outputs_of(const PlannerConfig& config, const Workload& workload) {
  PlannerSimulation simulation(config, workload.requests);
  simulation.run();
  return simulation.outputs();
}

class PlannerProperty : public testing::TestWithParam<int> {
 protected:
  static constexpr uint64_t kSeedsPerTest = 100;
  uint64_t first_seed() const { return static_cast<uint64_t>(GetParam()) * kSeedsPerTest; }
};

TEST_P(PlannerProperty, EverySequenceReadsItsOwnPastAndEnds) {
  for (uint64_t seed = first_seed(); seed < first_seed() + kSeedsPerTest; ++seed) {
    SCOPED_TRACE(seed);
    const Workload workload = random_workload(seed, /*with_cancellations=*/true);
    PlannerSimulation simulation(workload.config, workload.requests);
    ASSERT_NO_THROW(simulation.run());
    const PlannerStats& stats = simulation.planner().stats();
    EXPECT_EQ(stats.used_slots, stats.unreferenced_pages);  // nothing is referenced, nothing private is left
    EXPECT_LE(stats.peak_used_slots, workload.config.num_slots);
  }
}

TEST_P(PlannerProperty, OutputsDoNotDependOnSharingPoolOrBudget) {
  int64_t preemptions = 0, evictions = 0, hits = 0;
  for (uint64_t seed = first_seed(); seed < first_seed() + kSeedsPerTest; ++seed) {
    SCOPED_TRACE(seed);
    const Workload workload = random_workload(seed, /*with_cancellations=*/false);
    PlannerSimulation tight(workload.config, workload.requests);
    ASSERT_NO_THROW(tight.run());
    preemptions += tight.planner().stats().preemptions;
    evictions += tight.planner().stats().evicted_pages;
    hits += tight.planner().stats().cached_prompt_tokens;

    PlannerConfig unshared = workload.config;
    unshared.share_prefixes = false;
    EXPECT_EQ(tight.outputs(), outputs_of(unshared, workload));
    PlannerConfig wide = workload.config;
    wide.num_slots = 10000;
    wide.max_step_tokens = 512;
    wide.max_sequences = 100;
    if (wide.open_slots > 0) wide.open_slots = wide.least_open_slots() + 100;
    wide.prefill_chunk = 0;
    EXPECT_EQ(tight.outputs(), outputs_of(wide, workload));
  }
  EXPECT_GT(preemptions, 0);
  EXPECT_GT(evictions, 0);
  EXPECT_GT(hits, 0);
}

// One step ahead: other plans, some rows computed for nothing, the same text.
TEST_P(PlannerProperty, PlansMadeAheadGiveTheSameOutputs) {
  int64_t preemptions = 0, for_nothing = 0;
  for (uint64_t seed = first_seed(); seed < first_seed() + kSeedsPerTest; ++seed) {
    SCOPED_TRACE(seed);
    const Workload workload = random_workload(seed, /*with_cancellations=*/false);
    PlannerSimulation ahead(workload.config, workload.requests, /*ahead=*/true);
    ASSERT_NO_THROW(ahead.run());
    EXPECT_EQ(ahead.outputs(), outputs_of(workload.config, workload));
    const PlannerStats& stats = ahead.planner().stats();
    EXPECT_EQ(stats.used_slots, stats.unreferenced_pages);
    preemptions += stats.preemptions;
    PlannerSimulation plain(workload.config, workload.requests);
    plain.run();
    for_nothing += stats.computed_tokens - plain.planner().stats().computed_tokens;

    const Workload cancelled = random_workload(seed, /*with_cancellations=*/true);
    PlannerSimulation torn(cancelled.config, cancelled.requests, /*ahead=*/true);
    ASSERT_NO_THROW(torn.run());
    EXPECT_EQ(torn.planner().stats().used_slots, torn.planner().stats().unreferenced_pages);
  }
  EXPECT_GT(preemptions, 0);
  EXPECT_GT(for_nothing, 0);
}

TEST_P(PlannerProperty, SameInputsGiveTheSameBytes) {
  for (uint64_t seed = first_seed(); seed < first_seed() + kSeedsPerTest / 10; ++seed) {
    const Workload workload = random_workload(seed, /*with_cancellations=*/true);
    PlannerSimulation first(workload.config, workload.requests), second(workload.config, workload.requests);
    first.run();
    second.run();
    EXPECT_EQ(first.plans(), second.plans()) << seed;
  }
}

TEST_P(PlannerProperty, WithoutSharingNothingStays) {
  for (uint64_t seed = first_seed(); seed < first_seed() + kSeedsPerTest / 10; ++seed) {
    SCOPED_TRACE(seed);
    Workload workload = random_workload(seed, /*with_cancellations=*/true);
    workload.config.share_prefixes = false;
    PlannerSimulation simulation(workload.config, workload.requests);
    ASSERT_NO_THROW(simulation.run());
    EXPECT_EQ(simulation.planner().stats().cached_prompt_tokens, 0);
    EXPECT_EQ(simulation.table().num_used(), 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, PlannerProperty, testing::Range(0, 5));

}  // namespace
}  // namespace lockstep
