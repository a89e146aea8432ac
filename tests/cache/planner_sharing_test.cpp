// What sequences take from each other: cached prefixes, pages in flight, pages computed twice.
#include "cache/planner.h"
#include "tests/cache/planner_steps.h"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

PlannerConfig config_of(int64_t max_step_tokens) {
  return {.num_slots = 32, .page_tokens = 4, .max_step_tokens = max_step_tokens, .max_sequences = 8};
}

TEST(PlannerSharing, ASecondSequenceStartsBehindItsLongestCachedPrefix) {
  Planner planner(config_of(64));
  const SequenceId first = planner.add({tokens_from(100, 10), 2});
  const StepPlan origin = take_step(planner);
  EXPECT_EQ(planner.finish(first).cached_prompt_tokens, 0);
  // Equal in two pages, in one page, and nowhere.
  const SequenceId two = planner.add({joined(tokens_from(100, 8), tokens_from(900, 5)), 2});
  const SequenceId one = planner.add({joined(tokens_from(100, 5), tokens_from(800, 5)), 2});
  const SequenceId none = planner.add({tokens_from(101, 10), 2});
  const StepPlan plan = take_step(planner);
  EXPECT_EQ(count_ops(plan, PageOpKind::kSeal), 2);
  EXPECT_EQ(row_of(plan, two)->first_position, 8);
  EXPECT_EQ(row_of(plan, two)->pages[0], origin.rows[0].pages[0]);
  EXPECT_EQ(row_of(plan, two)->pages[1], origin.rows[0].pages[1]);
  EXPECT_EQ(row_of(plan, one)->first_position, 4);
  EXPECT_EQ(row_of(plan, none)->first_position, 0);
  EXPECT_EQ(planner.finish(two).cached_prompt_tokens, 8);
  EXPECT_EQ(planner.finish(one).cached_prompt_tokens, 4);
  EXPECT_EQ(planner.stats().cached_prompt_tokens, 12);
}

TEST(PlannerSharing, TheLastTokenIsAlwaysComputed) {
  Planner planner(config_of(64));
  planner.finish([&] {
    const SequenceId id = planner.add({tokens_from(100, 8), 1});
    take_step(planner);
    return id;
  }());
  const SequenceId again = planner.add({tokens_from(100, 8), 2});
  const StepPlan plan = take_step(planner);
  EXPECT_EQ(row_of(plan, again)->first_position, 4);  // the second page is cached, but its last logits are needed
  EXPECT_EQ(row_of(plan, again)->tokens.size(), 4U);
  // Its copy of the page gives way to the cached one.
  const StepPlan next = take_step(planner);
  EXPECT_EQ(count_ops(next, PageOpKind::kEvict), 1);
  EXPECT_EQ(count_ops(next, PageOpKind::kSeal), 0);
  EXPECT_EQ(planner.stats().used_slots, 3);
  planner.check_invariants();
}

TEST(PlannerSharing, OneSequenceComputesASharedPageAndOthersWait) {
  Planner planner(config_of(8));
  const auto shared = tokens_from(100, 12);
  const SequenceId first = planner.add({joined(shared, tokens_from(200, 2)), 4});
  const SequenceId second = planner.add({joined(shared, tokens_from(300, 2)), 4});
  const StepPlan step0 = take_step(planner);  // [0, 8) of the first
  EXPECT_EQ(step0.rows.size(), 1U);
  const StepPlan step1 = take_step(planner);  // [8, 14) of the first; the second waits for page 2
  EXPECT_EQ(step1.rows.size(), 1U);
  EXPECT_EQ(planner.num_waiting(), 1);
  const StepPlan step2 = take_step(planner);
  EXPECT_NE(row_of(step2, first), nullptr);
  EXPECT_EQ(row_of(step2, second)->first_position, 12);
  EXPECT_EQ(planner.finish(second).cached_prompt_tokens, 12);
}

TEST(PlannerSharing, AWaitingSequenceLetsOthersPass) {
  Planner planner(config_of(64));
  const SequenceId first = planner.add({tokens_from(100, 9), 4});
  const SequenceId same = planner.add({tokens_from(100, 9), 4});
  const SequenceId other = planner.add({tokens_from(500, 9), 4});
  const StepPlan plan = take_step(planner);
  EXPECT_NE(row_of(plan, first), nullptr);
  EXPECT_EQ(row_of(plan, same), nullptr);
  EXPECT_NE(row_of(plan, other), nullptr);
  EXPECT_EQ(row_of(take_step(planner), same)->first_position, 8);
}

TEST(PlannerSharing, AStepLooksAtNoMoreWaitingSequencesThanRows) {
  PlannerConfig config = config_of(64);
  config.max_sequences = 3;
  Planner planner(config);
  planner.add({tokens_from(100, 9), 4});
  for (int i = 0; i < 3; ++i) planner.add({tokens_from(100, 9), 4});
  const SequenceId other = planner.add({tokens_from(500, 9), 4});
  const StepPlan plan = take_step(planner);
  EXPECT_EQ(plan.rows.size(), 1U);
  EXPECT_EQ(row_of(plan, other), nullptr);
  EXPECT_EQ(take_step(planner).rows.size(), 3U);  // by age
  EXPECT_EQ(planner.num_waiting(), 2);
}

TEST(PlannerSharing, ASequenceWaitsPageByPageUntilThePathsPart) {
  PlannerConfig config = config_of(64);
  config.prefill_chunk = 4;
  Planner planner(config);
  const auto shared = tokens_from(100, 16);
  const SequenceId first = planner.add({joined(shared, tokens_from(200, 2)), 4});
  take_step(planner);  // page 0
  take_step(planner);  // page 1
  const SequenceId second = planner.add({joined(shared, tokens_from(300, 2)), 4});
  EXPECT_EQ(row_of(take_step(planner), second), nullptr);  // page 2 is in flight
  EXPECT_EQ(row_of(take_step(planner), second), nullptr);  // page 3 is in flight
  const StepPlan plan = take_step(planner);
  EXPECT_EQ(row_of(plan, first)->first_position, 16);
  EXPECT_EQ(row_of(plan, second)->first_position, 16);
  EXPECT_EQ(planner.stats().computed_tokens, 16 + 2 + 2);
}

// A long prompt is stuck in a full pool while another sequence happens to generate the same text past it.
TEST(PlannerSharing, ARunningPromptTakesPagesThatOthersGenerated) {
  PlannerConfig config = config_of(64);
  config.num_slots = 45;  // the reader is admitted with 40, the others grow into them
  config.prefill_chunk = 4;
  Planner planner(config);
  planner.add({std::vector<TokenId>(5, TokenId(7)), 1});  // computes page 0, so that the reader starts last
  const SequenceId reader = planner.add({joined(std::vector<TokenId>(157, TokenId(7)), tokens_from(300, 2)), 1});
  const SequenceId writer = planner.add({tokens_from(7, 1), 150});
  planner.add({tokens_from(500, 1), 150});
  int64_t reader_end = 4;
  for (;;) {
    ASSERT_LT(planner.stats().steps, 150) << "the reader never took a page";
    const StepPlan plan = take_step(planner, TokenId(7));
    planner.check_invariants();
    if (plan.number == 1) planner.finish(plan.rows[0].sequence);  // the first prompt has its one token
    const PlanRow* row = row_of(plan, reader);
    if (row == nullptr) continue;
    if (row->first_position != reader_end) {
      EXPECT_EQ(row->first_position, reader_end + 4);
      const auto page = static_cast<size_t>(reader_end / 4);
      EXPECT_EQ(row->pages[page], row_of(plan, writer)->pages[page]);
      return;
    }
    reader_end = row->first_position + static_cast<int64_t>(row->tokens.size());
  }
}

TEST(PlannerSharing, GeneratedTextIsSharedToo) {
  Planner planner(config_of(64));
  const SequenceId first = planner.add({tokens_from(100, 3), 6});
  for (int i = 0; i < 6; ++i) take_step(planner, TokenId(7));
  planner.finish(first);
  // The next turn of a conversation: prompt and answer, then more.
  const std::vector<TokenId> answer(6, TokenId(7));
  const SequenceId next = planner.add({joined(joined(tokens_from(100, 3), answer), tokens_from(400, 4)), 1});
  EXPECT_EQ(row_of(take_step(planner), next)->first_position, 8);
}

TEST(PlannerSharing, TextGeneratedTwiceIsKeptOnce) {
  Planner planner(config_of(64));
  const SequenceId first = planner.add({tokens_from(100, 3), 6});
  const SequenceId second = planner.add({tokens_from(100, 3), 6});
  for (int i = 0; i < 3; ++i) take_step(planner, TokenId(7));
  EXPECT_EQ(planner.stats().used_slots, 3);  // both read the one full page, each writes its own next
  const StepPlan plan = take_step(planner, TokenId(7));
  EXPECT_EQ(row_of(plan, first)->pages[0], row_of(plan, second)->pages[0]);
  EXPECT_NE(row_of(plan, first)->pages[1], row_of(plan, second)->pages[1]);
  planner.check_invariants();
}

TEST(PlannerSharing, CanBeSwitchedOff) {
  PlannerConfig config = config_of(64);
  config.share_prefixes = false;
  Planner planner(config);
  const SequenceId first = planner.add({tokens_from(100, 9), 2});
  take_step(planner);
  planner.finish(first);
  EXPECT_EQ(planner.stats().used_slots, 0);  // nothing is kept that nobody may use
  const SequenceId second = planner.add({tokens_from(100, 9), 2});
  EXPECT_EQ(row_of(take_step(planner), second)->first_position, 0);
}

}  // namespace
}  // namespace lockstep
