// Sequences whose prompts are scored: every position is computed, once, whatever is cached.
#include "cache/planner.h"
#include "tests/cache/planner_steps.h"

#include <gtest/gtest.h>
#include <utility>

namespace lockstep {
namespace {

PlannerConfig config_of(int64_t num_slots, int64_t max_step_tokens) {
  return {.num_slots = num_slots, .page_tokens = 4, .max_step_tokens = max_step_tokens, .max_sequences = 8};
}

SequenceId add_scored(Planner& planner, std::vector<TokenId> prompt, int64_t max_new_tokens) {
  return planner.add({.prompt = std::move(prompt), .max_new_tokens = max_new_tokens, .scores_prompt = true});
}

std::pair<int64_t, int64_t> scored(const StepPlan& plan, SequenceId id) {
  const PlanRow* row = row_of(plan, id);
  return row == nullptr ? std::pair<int64_t, int64_t>(-1, -1) : std::pair(row->score_begin, row->score_end);
}

using Scored = std::pair<int64_t, int64_t>;

TEST(PlannerScoring, ChunksScoreEveryPositionButTheLast) {
  Planner planner(config_of(32, 8));
  const SequenceId id = add_scored(planner, tokens_from(100, 17), 2);
  EXPECT_EQ(scored(take_step(planner), id), Scored(0, 8));
  EXPECT_EQ(scored(take_step(planner), id), Scored(8, 16));
  EXPECT_EQ(scored(take_step(planner), id), Scored(0, 0));  // position 16 is sampled
  EXPECT_EQ(scored(take_step(planner), id), Scored(0, 0));
}

TEST(PlannerScoring, OthersAreNotScored) {
  Planner planner(config_of(32, 64));
  const SequenceId plain = planner.add({tokens_from(100, 9), 2}),
                   one_token = add_scored(planner, tokens_from(100, 1), 2);
  const StepPlan plan = take_step(planner);
  EXPECT_EQ(scored(plan, plain), Scored(0, 0));
  EXPECT_EQ(scored(plan, one_token), Scored(0, 0));
}

TEST(PlannerScoring, CachedPagesAreComputedAgainAndKeptOnce) {
  Planner planner(config_of(32, 64));
  planner.add({tokens_from(100, 10), 4});
  take_step(planner);
  const SequenceId id = add_scored(planner, tokens_from(100, 10), 4);
  const StepPlan plan = take_step(planner);
  EXPECT_EQ(row_of(plan, id)->first_position, 0);
  EXPECT_EQ(scored(plan, id), Scored(0, 9));
  const StepPlan next = take_step(planner);
  EXPECT_EQ(count_ops(next, PageOpKind::kEvict), 2);  // its two full pages gave way to the cached ones
  EXPECT_EQ(planner.stats().cached_prompt_tokens, 0);
  EXPECT_EQ(planner.finish(id).cached_prompt_tokens, 0);
  planner.check_invariants();
}

TEST(PlannerScoring, ItsPagesServeOthers) {
  Planner planner(config_of(32, 64));
  add_scored(planner, tokens_from(100, 10), 4);
  const SequenceId beside = planner.add({tokens_from(100, 12), 4});  // waits for the pages in flight
  EXPECT_EQ(row_of(take_step(planner), beside), nullptr);
  EXPECT_EQ(row_of(take_step(planner), beside)->first_position, 8);
}

TEST(PlannerScoring, PreemptedInThePromptItScoresOnWhereItStood) {
  // One position a page, two tokens a step: the old sequence takes the pages of the young one, whose prompt is half
  // done.
  Planner planner({.num_slots = 12, .page_tokens = 1, .max_step_tokens = 2, .max_sequences = 8});
  const SequenceId old = planner.add({tokens_from(100, 1), 11}), young = add_scored(planner, tokens_from(200, 8), 1);
  int64_t num_scored = 0, scored_before_preemption = 0, num_recomputed = 0;
  while (planner.has_work()) {
    const StepPlan plan = take_step(planner);
    planner.check_invariants();
    if (planner.stats().preemptions == 0) scored_before_preemption = num_scored;
    if (const PlanRow* row = row_of(plan, young)) {
      if (row->score_end > 0) {
        EXPECT_EQ(row->score_begin, num_scored);
        num_scored = row->score_end;
      } else if (!row->wants_logits) {
        ++num_recomputed;
      }
      if (row->wants_logits) planner.finish(young);
    }
    if (const PlanRow* row = row_of(plan, old); row != nullptr && row->first_position == 10) planner.finish(old);
  }
  EXPECT_EQ(planner.stats().preemptions, 1);
  EXPECT_GT(scored_before_preemption, 0);
  EXPECT_LT(scored_before_preemption, 7);
  EXPECT_GT(num_recomputed, 0);
  EXPECT_EQ(num_scored, 7);
}

}  // namespace
}  // namespace lockstep
