// Eight ranks over many steps: transfers that are late and that fail, pools under pressure; no plan that a rank cannot
// follow, no digest that differs, no wrong answer, no standstill. LOCKSTEP_PLANNER_STEPS: how many (1,000,000 once).
#include "core/error.h"
#include "tests/cache/planner_simulation.h"
#include "tests/cache/tier_workload.h"

#include <cstdio>
#include <cstdlib>
#include <gtest/gtest.h>
#include <string>

namespace lockstep {
namespace {

int64_t steps_wanted() {
  const char* text = std::getenv("LOCKSTEP_PLANNER_STEPS");
  return text != nullptr ? std::atoll(text) : 30000;
}

TEST(PlannerRanks, EightRanksStayTogether) {
  int64_t steps = 0, failures = 0, invalidated = 0, waits = 0, from_cold = 0;
  for (uint64_t seed = 5000; steps < steps_wanted(); ++seed) {
    SCOPED_TRACE(seed);
    TierWorkload workload = random_tier_workload(seed, 150);
    if (seed % 5 == 0) workload.config.tiers.faults_until_off = 20;
    SimulationOptions options;
    options.ahead = seed % 2 == 1;
    options.check_interval = 64;
    options.keeps_plans = false;
    options.ranks.assign(8, {.seed = seed, .slowness = 1 + static_cast<int64_t>(seed % 3), .failure_rate = 400});
    PlannerSimulation simulation(workload.config, workload.requests, options);
    ASSERT_NO_THROW(simulation.run());
    steps += simulation.num_steps();
    failures += simulation.num_failures();
    invalidated += simulation.planner().stats().invalidated_pages;
    waits += simulation.planner().stats().fetched_pages;
    from_cold += simulation.planner().stats().promoted_cold_pages;
    if (seed % 16 == 0) {
      ASSERT_EQ(simulation.outputs(), plain_outputs(workload));
    }
  }
  EXPECT_GT(failures, steps / 1000);
  EXPECT_GT(invalidated, 0);
  EXPECT_GT(waits, 0);
  EXPECT_GT(from_cold, 0);
  RecordProperty("steps", std::to_string(steps));
  std::printf("%lld steps, %lld failed transfers, %lld invalidated pages\n", static_cast<long long>(steps),
              static_cast<long long>(failures), static_cast<long long>(invalidated));
}

// A rank that applied something else is found by the very next plan that reaches it.
TEST(PlannerRanks, ADivergenceIsFoundAtOnce) {
  const TierWorkload workload = random_tier_workload(77, 40);
  PlannerSimulation simulation(workload.config, workload.requests, SimulationOptions{});
  simulation.run();
  const auto& plans = simulation.plans();
  for (size_t victim = 0; victim + 1 < plans.size(); ++victim) {
    PageTable table(workload.config.num_slots, workload.config.tiers.host_slots, workload.config.open_slots,
                    workload.config.tiers.cold_slots);
    for (size_t i = 0; i <= victim; ++i) {
      StepPlan plan = deserialize_step_plan(plans[i]);
      // This rank forgets an op, as one that decides on its own would.
      if (i == victim && plan.ops.empty()) break;
      if (i == victim) plan.ops.pop_back();
      table.apply(plan);
    }
    if (table.next_plan_number() <= victim) continue;
    const StepPlan next = deserialize_step_plan(plans[victim + 1]);
    try {
      table.apply(next);
      ADD_FAILURE() << "plan " << victim + 1 << " was followed";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("have parted; last ops published: "), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace lockstep
