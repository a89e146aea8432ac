// Pages that shrink in the host tier: which, in what order, and what they never become.
#include "cache/planner/prefix_tree.h"
#include "core/error.h"
#include "tests/cache/planner_simulation.h"
#include "tests/cache/planner_steps.h"
#include "tests/cache/tier_workload.h"
#include "tests/support/expect_throw.h"

#include <gtest/gtest.h>
#include <set>
#include <string>
#include <unordered_map>

namespace lockstep {
namespace {

using testing_support::expect_throw;

TierConfig tiers_of(int64_t host_slots, int64_t cold_slots) {
  TierConfig tiers;
  tiers.host_slots = host_slots;
  tiers.cold_slots = cold_slots;
  return tiers;
}

// Requests of `num_pages` full pages each and one token more, told apart by their first token.
std::vector<SimulatedRequest> prompts(int64_t count, int64_t num_pages, int64_t page_tokens, int64_t rounds = 1) {
  std::vector<SimulatedRequest> requests;
  for (int64_t i = 0; i < count * rounds; ++i) {
    SimulatedRequest request;
    request.prompt.assign(static_cast<size_t>(num_pages * page_tokens + 1),
                          TokenId(static_cast<int32_t>(i % count + 1)));
    request.max_new_tokens = 1;
    request.arrival_step = i;
    requests.push_back(std::move(request));
  }
  return requests;
}

/// Keys of the prompt's full pages.
std::vector<Hash128> keys_of(const SimulatedRequest& request, const PlannerConfig& config) {
  std::vector<Hash128> keys;
  const auto page_tokens = static_cast<size_t>(config.page_tokens);
  for (size_t begin = 0; begin + page_tokens <= request.prompt.size(); begin += page_tokens) {
    keys.push_back(
        page_key(keys.empty() ? config.cache_key : keys.back(), std::span(request.prompt).subspan(begin, page_tokens)));
  }
  return keys;
}

PlannerConfig small_config() {
  PlannerConfig config;
  config.page_tokens = 2;
  config.num_slots = 5;
  config.max_step_tokens = 16;
  config.max_sequences = 1;
  config.policy = "compressed";
  config.tiers = tiers_of(3, 12);
  return config;
}

std::vector<PageOp> ops_of(const PlannerSimulation& simulation) {
  std::vector<PageOp> ops;
  for (const auto& bytes : simulation.plans()) {
    const StepPlan plan = deserialize_step_plan(bytes);
    ops.insert(ops.end(), plan.ops.begin(), plan.ops.end());
  }
  return ops;
}

TEST(PlannerCold, PagesShrinkAndComeBack) {
  PlannerConfig config = small_config();
  // Two rounds of three prompts of three pages: nine pages do not fit into five slots and three canonical ones.
  PlannerSimulation simulation(config, prompts(3, 3, 2, 2), SimulationOptions{});
  simulation.run();
  const PlannerStats& stats = simulation.planner().stats();
  EXPECT_GT(stats.transcoded_pages, 0);
  EXPECT_GT(stats.promoted_cold_pages, 0);
  EXPECT_EQ(stats.dropped_pages, 0);
  EXPECT_EQ(stats.hit_tokens[static_cast<size_t>(Tier::kDevice)] + stats.hit_tokens[static_cast<size_t>(Tier::kHost)],
            3 * 6);
  config.tiers = tiers_of(3, 0);
  PlannerSimulation without(config, prompts(3, 3, 2, 2), SimulationOptions{});
  without.run();
  EXPECT_GT(without.planner().stats().dropped_pages, 0);
}

// The first page of each prompt stays as it is, whatever its worth; with 8 bits it may shrink like others.
TEST(PlannerCold, FirstPagesKeepTheirBits) {
  for (const bool takes_first : {false, true}) {
    PlannerConfig config = small_config();
    config.tiers.cold_takes_first = takes_first;
    PlannerSimulation simulation(config, prompts(6, 2, 2), SimulationOptions{});
    simulation.run();
    std::set<PageId> firsts, cold;
    for (const auto& bytes : simulation.plans()) {
      const StepPlan plan = deserialize_step_plan(bytes);
      for (const PlanRow& row : plan.rows) firsts.insert(row.pages.front());
      for (const PageOp& op : plan.ops) {
        if (op.kind == PageOpKind::kTranscode) cold.insert(op.page);
        if (op.kind == PageOpKind::kDemote && op.host_slot.value() >= config.tiers.host_slots) cold.insert(op.page);
      }
    }
    int64_t num_first = 0;
    for (const PageId page : cold) num_first += firsts.contains(page) ? 1 : 0;
    EXPECT_FALSE(cold.empty());
    EXPECT_EQ(num_first > 0, takes_first);
  }
}

// The chain that was read last keeps its bytes: older pages shrink for it, and the oldest cold ones go.
TEST(PlannerCold, WhatIsWorthLessShrinksFirst) {
  PlannerConfig config = small_config();
  config.tiers = tiers_of(3, 2);
  config.tiers.cold_takes_first = true;
  PlannerSimulation simulation(config, prompts(4, 3, 2), SimulationOptions{});
  simulation.run();
  std::vector<PageId> shrunk;
  for (const PageOp& op : ops_of(simulation)) {
    if (op.kind == PageOpKind::kTranscode) shrunk.push_back(op.page);
  }
  ASSERT_GE(shrunk.size(), 3U);
  EXPECT_GT(shrunk[0].value(), shrunk[1].value());  // of a chain the last page first
  EXPECT_GT(simulation.planner().stats().dropped_pages, 0);
}

// Neither late transfers nor the calls of report() move a plan where no disk is.
TEST(PlannerCold, PlansDoNotDependOnTheTimeOfCopies) {
  int64_t num_cold = 0;
  for (uint64_t seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE(seed);
    TierWorkload workload = random_tier_workload(seed);
    TierConfig& tiers = workload.config.tiers;
    if (tiers.cold_slots == 0) continue;
    tiers.disk_pages = 0;
    tiers.copy_ahead_pages = workload.config.num_slots / 2;
    ++num_cold;
    SimulationOptions options;
    options.ranks.assign(2, {});
    PlannerSimulation fast(workload.config, workload.requests, options);
    fast.run();
    options.ranks.assign(2, {.seed = seed, .slowness = 1});
    PlannerSimulation slow(workload.config, workload.requests, options);
    slow.run();
    ASSERT_EQ(fast.plans(), slow.plans());
  }
  EXPECT_GT(num_cold, 20);
}

// Pages that are read again keep their cold slots against pages that nobody will read.
TEST(PlannerCold, ColdPagesStayBeforeWhatIsWorthLess) {
  PlannerConfig config = small_config();
  config.tiers = tiers_of(2, 2);
  config.tiers.cold_takes_first = true;
  config.knows_future = true;
  std::vector<SimulatedRequest> requests = prompts(8, 4, 2);
  for (SimulatedRequest& request : requests) request.arrival_step = 0;
  requests.push_back(requests.front());
  PlannerSimulation simulation(config, requests, SimulationOptions{});
  simulation.run();
  EXPECT_GT(simulation.planner().stats().promoted_cold_pages, 0);
  EXPECT_EQ(simulation.planner().stats().cached_prompt_tokens, 4 * 2);
}

// More prompts than canonical slots, each read once: first pages that nothing follows any more hold no slot for ever.
TEST(PlannerCold, FirstPagesOfManyPromptsGiveWay) {
  PlannerConfig config = small_config();
  config.tiers.disk_pages = 100;
  constexpr int64_t kPrompts = 12;
  const auto requests = prompts(kPrompts, 3, 2);
  ModelDisk disk;
  SimulationOptions options;
  options.ranks = {{.disk = &disk}};
  PlannerSimulation simulation(config, requests, options);
  simulation.run();
  std::set<SequenceId> begun;
  std::set<int64_t> shrunk_at;  // by the number of sequences so far
  for (const auto& bytes : simulation.plans()) {
    const StepPlan plan = deserialize_step_plan(bytes);
    for (const PlanRow& row : plan.rows) begun.insert(row.sequence);
    if (count_ops(plan, PageOpKind::kTranscode) > 0) shrunk_at.insert(std::ssize(begun));
  }
  ASSERT_FALSE(shrunk_at.empty());
  EXPECT_GT(*shrunk_at.rbegin(), kPrompts - 2);
  int64_t num_behind = 0;  // pages on the disk that are not the first of their prompts
  for (const SimulatedRequest& request : requests) {
    const auto keys = keys_of(request, config);
    for (size_t page = 1; page < keys.size(); ++page) num_behind += disk.contains(keys[page]) ? 1 : 0;
  }
  EXPECT_GT(num_behind, kPrompts);
}

// Canonical slots full of first pages that are on the disk as well are where others come by.
TEST(PlannerCold, WhatFollowsAFirstPageIsPersisted) {
  PlannerConfig config = small_config();
  config.num_slots = 10;
  config.tiers = tiers_of(2, 1);
  config.tiers.disk_pages = 100;
  const auto requests = prompts(3, 3, 2);
  ModelDisk disk;
  SimulationOptions options;
  options.persists = true;
  options.ranks = {{.disk = &disk}};
  PlannerSimulation simulation(config, requests, options);
  simulation.run();
  for (const Hash128& key : keys_of(requests.back(), config)) EXPECT_TRUE(disk.contains(key));
}

TEST(PlannerCold, RefusesWhatCannotBe) {
  PlannerConfig config = small_config();
  config.policy = "adaptive";
  expect_throw<ConfigError>([&] { Planner planner(config); }, {"cold slots", "compressed", "adaptive"});
  config = small_config();
  config.tiers.host_slots = 0;
  expect_throw<ConfigError>([&] { Planner planner(config); }, {"cold slots", "host slots"});
  config.tiers.cold_slots = -1;
  expect_throw<ConfigError>([&] { Planner planner(config); }, {"cold_slots", "-1"});
}

}  // namespace
}  // namespace lockstep
