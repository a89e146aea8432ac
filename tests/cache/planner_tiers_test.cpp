// Pages in several tiers: whatever moves, is late or fails, every sequence reads its own past and says the same.
#include "tests/cache/planner_simulation.h"
#include "tests/cache/tier_workload.h"

#include <algorithm>
#include <gtest/gtest.h>

namespace lockstep {
namespace {

struct Totals {
  int64_t demoted = 0, promoted = 0, stored = 0, fetched = 0, dropped = 0, invalidated = 0, void_rows = 0, failures = 0;
  int64_t preemptions = 0, offloaded = 0, in_place = 0;
  std::array<int64_t, kNumTiers> hits{};

  void add(const PlannerSimulation& simulation) {
    const PlannerStats& stats = simulation.planner().stats();
    demoted += stats.demoted_pages;
    promoted += stats.promoted_pages;
    stored += stats.stored_pages;
    fetched += stats.fetched_pages;
    dropped += stats.dropped_pages;
    invalidated += stats.invalidated_pages;
    void_rows += stats.void_rows;
    failures += simulation.num_failures();
    preemptions += stats.preemptions;
    offloaded += stats.offloaded_pages;
    in_place += stats.in_place_page_reads;
    for (size_t tier = 0; tier < kNumTiers; ++tier) hits[tier] += stats.hit_tokens[tier];
  }
};

class PlannerTiers : public testing::TestWithParam<int> {
 protected:
  static constexpr uint64_t kSeedsPerTest = 100;
  uint64_t first_seed() const { return 1000 + static_cast<uint64_t>(GetParam()) * kSeedsPerTest; }
};

TEST_P(PlannerTiers, OutputsDoNotDependOnTiersDelaysOrOrder) {
  Totals totals;
  for (uint64_t seed = first_seed(); seed < first_seed() + kSeedsPerTest; ++seed) {
    SCOPED_TRACE(seed);
    const TierWorkload workload = random_tier_workload(seed);
    SimulationOptions options;
    options.ahead = seed % 2 == 1;
    options.ranks = {{.seed = seed, .slowness = static_cast<int64_t>(seed % 4)}, {.seed = seed, .slowness = 2}};
    PlannerSimulation simulation(workload.config, workload.requests, options);
    ASSERT_NO_THROW(simulation.run());
    EXPECT_EQ(simulation.outputs(), plain_outputs(workload));
    totals.add(simulation);
  }
  EXPECT_GT(totals.demoted, 0);
  EXPECT_GT(totals.promoted, 0);
  EXPECT_GT(totals.stored, 0);
  EXPECT_GT(totals.fetched, 0);
  EXPECT_GT(totals.dropped, 0);
  EXPECT_GT(totals.preemptions, 0);
  EXPECT_GT(totals.offloaded, 0);
  EXPECT_GT(totals.in_place, 0);
  for (const int64_t hits : totals.hits) EXPECT_GT(hits, 0);
  EXPECT_EQ(totals.invalidated, 0);
}

TEST_P(PlannerTiers, FailuresOnOneRankAreOutlivedByAll) {
  Totals totals;
  for (uint64_t seed = first_seed(); seed < first_seed() + kSeedsPerTest; ++seed) {
    SCOPED_TRACE(seed);
    TierWorkload workload = random_tier_workload(seed);
    if (seed % 3 == 0) workload.config.tiers.faults_until_off = 5;
    SimulationOptions options;
    options.ahead = seed % 2 == 1;
    for (int rank = 0; rank < 4; ++rank) {
      options.ranks.resize(4);
      options.ranks[static_cast<size_t>(rank)] = {.seed = seed, .slowness = 2, .failure_rate = rank == 2 ? 7 : 0};
    }
    PlannerSimulation simulation(workload.config, workload.requests, options);
    ASSERT_NO_THROW(simulation.run());
    EXPECT_EQ(simulation.outputs(), plain_outputs(workload));
    totals.add(simulation);
  }
  EXPECT_GT(totals.failures, 0);
  EXPECT_GT(totals.invalidated, 0);
  EXPECT_GT(totals.void_rows, 0);
}

// Stopped at any step and taken up again, with copies that fail: nobody reads what nobody confirmed.
TEST_P(PlannerTiers, AJobThatStopsAndGoesOnSaysTheSame) {
  int64_t unconfirmed = 0;
  for (uint64_t seed = first_seed(); seed < first_seed() + kSeedsPerTest; ++seed) {
    SCOPED_TRACE(seed);
    TierWorkload workload = random_tier_workload(seed);
    // Short answers, much on the disk, and one request after the other: plans ahead come to nothing while pages move.
    workload.config.tiers.disk_pages = 60;
    for (size_t i = 0; i < workload.requests.size(); ++i) {
      workload.requests[i].max_new_tokens = std::min<int64_t>(workload.requests[i].max_new_tokens, 2);
      workload.requests[i].arrival_step = static_cast<int64_t>(2 * i);
    }
    SimulationOptions options;
    options.ahead = seed % 4 != 0;
    options.persists = seed % 2 == 1;
    options.stop_rate = 5;
    options.ranks.assign(2, {.seed = seed, .slowness = 1, .failure_rate = 7});
    PlannerSimulation simulation(workload.config, workload.requests, options);
    ASSERT_NO_THROW(simulation.run());
    EXPECT_EQ(simulation.outputs(), plain_outputs(workload));
    for (const auto& bytes : simulation.plans()) {
      const StepPlan plan = deserialize_step_plan(bytes);
      const bool promotes = std::any_of(plan.ops.begin(), plan.ops.end(), [](const PageOp& op) {
        return op.kind == PageOpKind::kPromote && op.tier == Tier::kDevice;
      });
      if (promotes && !plan.confirms) ++unconfirmed;
    }
  }
  EXPECT_GT(unconfirmed, 0);
}

// A second job finds the pages of the first.
TEST_P(PlannerTiers, AWarmStoreServesTheNextJob) {
  Totals totals;
  for (uint64_t seed = first_seed(); seed < first_seed() + kSeedsPerTest; ++seed) {
    SCOPED_TRACE(seed);
    TierWorkload workload = random_tier_workload(seed);
    workload.config.tiers.disk_pages = 200;
    ModelDisk disk;
    SimulationOptions options;
    options.persists = true;
    options.ranks = {{.seed = seed, .slowness = 2, .disk = &disk}};
    PlannerSimulation first(workload.config, workload.requests, options);
    ASSERT_NO_THROW(first.run());
    for (const auto& [key, content] : disk) workload.config.tiers.stored.push_back(key);
    PlannerSimulation second(workload.config, workload.requests, options);
    ASSERT_NO_THROW(second.run());
    EXPECT_EQ(second.outputs(), first.outputs());
    totals.add(second);
  }
  EXPECT_GT(totals.hits[static_cast<size_t>(Tier::kDisk)], 1000);
}

TEST_P(PlannerTiers, SameInputsGiveTheSameBytes) {
  for (uint64_t seed = first_seed(); seed < first_seed() + kSeedsPerTest / 10; ++seed) {
    const TierWorkload workload = random_tier_workload(seed);
    PlannerSimulation first(workload.config, workload.requests), second(workload.config, workload.requests);
    first.run();
    second.run();
    EXPECT_EQ(first.plans(), second.plans()) << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, PlannerTiers, testing::Range(0, 5));

}  // namespace
}  // namespace lockstep
