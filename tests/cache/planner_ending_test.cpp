// The plans without rows in the end: they confirm nothing, so nobody builds on the copies among their ops.
#include "cache/planner.h"
#include "cache/planner/prefix_tree.h"
#include "tests/cache/planner_steps.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <optional>
#include <set>

namespace lockstep {
namespace {

constexpr int64_t kSlots = 8, kPageTokens = 4;

void take_all_steps(Planner& planner, SequenceId id, int64_t num_tokens) {
  for (int64_t i = 0; i < num_tokens; ++i) take_step(planner);
  planner.finish(id);
}

bool is_promotion(const PageOp& op) { return op.kind == PageOpKind::kPromote && op.tier == Tier::kDevice; }

/// Pages that the plan brings to the device and leaves there.
std::set<PageId> left_on_device(const StepPlan& plan) {
  std::set<PageId> pages;
  for (const PageOp& op : plan.ops) {
    if (is_promotion(op)) pages.insert(op.page);
    if (op.kind == PageOpKind::kEvict && op.tier == Tier::kDevice) pages.erase(op.page);
  }
  return pages;
}

/// Two pages of a prompt on the host, two on the disk, and a plan ahead that brought the first two to the device and
/// had no row for whoever waits for the others.
class PlannerEnding : public testing::Test {
 protected:
  PlannerEnding() : prompt_(tokens_from(100, 4 * kPageTokens + 1)) {
    PlannerConfig config;
    config.num_slots = kSlots;
    config.page_tokens = kPageTokens;
    config.max_step_tokens = 64;
    config.max_sequences = 4;
    config.tiers.host_slots = 20;
    config.tiers.disk_pages = 20;
    Hash128 key = config.cache_key;
    for (size_t page = 0; page < 4; ++page) {
      key = page_key(key, std::span(prompt_).subspan(page * kPageTokens, kPageTokens));
      if (page >= 2) config.tiers.stored.push_back(key);
    }
    planner_.emplace(config);
    take_all_steps(*planner_, planner_->add({{prompt_.begin(), prompt_.begin() + 2 * kPageTokens + 1}, 1}), 1);
    take_all_steps(*planner_, planner_->add({tokens_from(500, kSlots * kPageTokens - 1), 1}), 1);

    const SequenceId other = planner_->add({tokens_from(900, 3), 1});
    const StepPlan plan = planner_->plan();
    planner_->commit_ahead(plan);
    waits_ = planner_->add({prompt_, 4});
    EXPECT_FALSE(planner_->plan_ahead().has_value());
    planner_->resolve(plan, std::vector<TokenId>{TokenId(7)});
    planner_->finish(other);
    EXPECT_EQ(planner_->stats().promoted_pages, 2);
  }

  /// All transfers are done, none failed but what nobody hears of: promotions.
  void report_all_done() {
    TransferStatus status;
    status.done.fill(1000);
    planner_->report(status);
  }

  std::vector<TokenId> prompt_;
  std::optional<Planner> planner_;
  SequenceId waits_;
};

TEST_F(PlannerEnding, WhatTheLastPlanPromotesLeavesTheDevice) {
  planner_->finish(waits_);
  const StepPlan last = planner_->last_plan();
  planner_->check_invariants();
  EXPECT_EQ(count_ops(last, PageOpKind::kPromote), 4);  // two to the device, two from the disk
  EXPECT_TRUE(left_on_device(last).empty());
  report_all_done();
  planner_->add({prompt_, 1});
  const StepPlan next = planner_->plan();
  EXPECT_EQ(std::count_if(next.ops.begin(), next.ops.end(), is_promotion), 4);
  EXPECT_TRUE(next.confirms);
}

TEST_F(PlannerEnding, WhatIsPersistedIsNotBuiltOnItEither) {
  planner_->finish(waits_);
  const std::optional<StepPlan> plan = planner_->persist_plan(100);
  ASSERT_TRUE(plan.has_value());
  planner_->check_invariants();
  EXPECT_GT(std::count_if(plan->ops.begin(), plan->ops.end(), is_promotion), 0);
  EXPECT_TRUE(left_on_device(*plan).empty());
  EXPECT_TRUE(planner_->last_plan().last);
}

// A job that is broken off: who had the pages takes them up again when it goes on.
TEST_F(PlannerEnding, ASequenceThatIsStillThereStartsBehindConfirmedPages) {
  const StepPlan last = planner_->last_plan();
  planner_->check_invariants();
  EXPECT_TRUE(left_on_device(last).empty());
  report_all_done();
  const StepPlan next = planner_->plan();
  ASSERT_NE(row_of(next, waits_), nullptr);
  EXPECT_EQ(row_of(next, waits_)->first_position, 4 * kPageTokens);
  EXPECT_EQ(left_on_device(next).size(), 4U);
  EXPECT_TRUE(next.confirms);
}

}  // namespace
}  // namespace lockstep
