// A pool that is too small: eviction, then queueing, then preemption.
#include "cache/planner.h"
#include "tests/cache/planner_steps.h"

#include <gtest/gtest.h>
#include <map>

namespace lockstep {
namespace {

PlannerConfig config_of(int64_t num_slots) {
  return {.num_slots = num_slots, .page_tokens = 4, .max_step_tokens = 64, .max_sequences = 8};
}

void run_alone(Planner& planner, const std::vector<TokenId>& prompt) {
  const SequenceId id = planner.add({prompt, 1});
  take_step(planner);
  planner.finish(id);
}

int64_t cached_tokens_of(Planner& planner, const std::vector<TokenId>& prompt) {
  const SequenceId id = planner.add({prompt, 1});
  take_step(planner);
  return planner.finish(id).cached_prompt_tokens;
}

TEST(PlannerPressure, LeastRecentlyUsedPagesLeaveFirstLeavesBeforeTheirParents) {
  Planner planner(config_of(6));
  const auto a = tokens_from(100, 9), b = tokens_from(200, 9);
  run_alone(planner, a);
  run_alone(planner, b);
  EXPECT_EQ(cached_tokens_of(planner, a), 8);  // a was used after b; 4 pages are cached
  run_alone(planner, tokens_from(300, 9));     // needs 3 of 6: evicts the leaf of b alone
  EXPECT_EQ(planner.stats().evicted_pages, 1);
  EXPECT_EQ(cached_tokens_of(planner, a), 8);
  EXPECT_EQ(cached_tokens_of(planner, b), 4);
}

TEST(PlannerPressure, OfEquallyOldLeavesTheHigherPageLeaves) {
  Planner planner(config_of(4));
  const SequenceId a = planner.add({tokens_from(100, 5), 1}), b = planner.add({tokens_from(200, 5), 1});
  const StepPlan plan = take_step(planner);
  planner.finish(b);
  planner.finish(a);
  planner.add({tokens_from(300, 9), 1});
  const StepPlan next = take_step(planner);
  std::vector<PageId> evicted;
  for (const PageOp& op : next.ops) {
    if (op.kind == PageOpKind::kEvict) evicted.push_back(op.page);
  }
  // First the open pages of both, then one cached page: that of b, which has the higher number.
  ASSERT_EQ(evicted.size(), 3U);
  EXPECT_EQ(evicted[2], row_of(plan, b)->pages[0]);
}

TEST(PlannerPressure, ASequenceWaitsUntilItsPromptAndAPageOfGrowthForAllFit) {
  Planner planner(config_of(6));
  const SequenceId first = planner.add({tokens_from(100, 8), 12});  // 2 pages, and 1 to grow
  const SequenceId second = planner.add({tokens_from(200, 9), 8});  // 3 pages, and 1 to grow
  take_step(planner);
  EXPECT_EQ(planner.num_waiting(), 1);
  planner.finish(first);
  EXPECT_NE(row_of(take_step(planner), second), nullptr);
}

TEST(PlannerPressure, TheYoungestIsPreemptedAndComesBackWithAllItsTokens) {
  Planner planner(config_of(6));
  const SequenceId old = planner.add({tokens_from(100, 7), 17});   // grows to all 6 pages
  const SequenceId young = planner.add({tokens_from(200, 7), 9});  // 4 pages in the end
  std::map<SequenceId, int64_t> num_sampled;
  int64_t most_recomputed = 0;
  while (planner.has_work()) {
    const StepPlan plan = take_step(planner, TokenId(7));
    planner.check_invariants();
    for (const PlanRow& row : plan.rows) {
      if (row.sequence == young && num_sampled[young] > 0) {
        most_recomputed = std::max(most_recomputed, static_cast<int64_t>(row.tokens.size()));
      }
      if (row.wants_logits) ++num_sampled[row.sequence];
    }
    if (num_sampled[old] == 17) planner.finish(old), num_sampled[old] = -100;
    if (num_sampled[young] == 9) planner.finish(young), num_sampled[young] = -100;
    ASSERT_LT(planner.stats().steps, 100);
  }
  EXPECT_EQ(planner.stats().preemptions, 1);
  EXPECT_GT(most_recomputed, 1);
}

TEST(PlannerPressure, TheOldestTakesThePagesOfAllYoungerOnes) {
  Planner planner(config_of(8));
  const SequenceId oldest = planner.add({tokens_from(100, 4), 28});  // the whole pool in the end
  for (int32_t i = 2; i < 5; ++i) planner.add({tokens_from(100 * i, 4), 4});
  int64_t num_sampled = 0;
  while (num_sampled < 28) {
    const StepPlan plan = planner.plan();
    ASSERT_NE(row_of(plan, oldest), nullptr) << "the oldest sequence was left out of plan " << plan.number;
    planner.commit(plan, std::vector<TokenId>(static_cast<size_t>(num_wanted(plan)), TokenId(7)));
    ++num_sampled;
    for (const PlanRow& row : plan.rows) {
      const bool is_over = row.first_position + static_cast<int64_t>(row.tokens.size()) == 4 + 4 - 1;
      if (row.sequence != oldest && is_over) planner.finish(row.sequence);
    }
  }
  planner.finish(oldest);
}

TEST(PlannerPressure, AWaitingSequenceCanBeFinished) {
  Planner planner(config_of(4));
  const SequenceId first = planner.add({tokens_from(100, 8), 4}), second = planner.add({tokens_from(200, 8), 4});
  take_step(planner);
  EXPECT_EQ(planner.finish(second).cached_prompt_tokens, 0);
  EXPECT_EQ(planner.num_waiting(), 0);
  planner.finish(first);
  EXPECT_FALSE(planner.has_work());
  planner.check_invariants();
}

}  // namespace
}  // namespace lockstep
