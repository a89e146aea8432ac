// Scheduling and the contract of the calls. Pages of 4 tokens, so that numbers stay readable.
#include "cache/planner.h"

#include "cache/page_table.h"
#include "core/error.h"
#include "tests/cache/planner_steps.h"

#include <gtest/gtest.h>
#include <string>

namespace lockstep {
namespace {

PlannerConfig small_config() {
  return {.num_slots = 16, .page_tokens = 4, .max_step_tokens = 12, .max_sequences = 4, .cache_key = {1, 2}};
}

std::string refusal_of(const PlannerConfig& config) {
  try {
    Planner planner(config);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Planner, RefusesSettingsOutOfRangeByName) {
  EXPECT_EQ(refusal_of(small_config()), "accepted");
  auto changed = [](auto change) {
    PlannerConfig config = small_config();
    change(config);
    return refusal_of(config);
  };
  EXPECT_EQ(changed([](auto& c) { c.num_slots = 0; }), "planner: num_slots is 0; it must be at least 1");
  EXPECT_EQ(changed([](auto& c) { c.num_slots = int64_t{1} << 40; }),
            "planner: num_slots is 1099511627776; at most 2147483647 are possible");
  EXPECT_EQ(changed([](auto& c) { c.page_tokens = -1; }), "planner: page_tokens is -1; it must be at least 1");
  EXPECT_EQ(changed([](auto& c) { c.max_step_tokens = 3; }),
            "planner: max_step_tokens is 3; it must be at least page_tokens, 4");
  EXPECT_EQ(changed([](auto& c) { c.max_sequences = 0; }), "planner: max_sequences is 0; it must be at least 1");
  EXPECT_EQ(changed([](auto& c) { c.prefill_chunk = 6; }),
            "planner: prefill_chunk is 6; it must be 0 or a multiple of page_tokens, 4");
}

TEST(Planner, RefusesSequencesThatCanNeverFit) {
  Planner planner(small_config());
  EXPECT_THROW(planner.add({{}, 1}), ConfigError);
  EXPECT_THROW(planner.add({tokens_from(0, 3), 0}), ConfigError);
  EXPECT_NO_THROW(planner.add({tokens_from(0, 60), 4}));
  try {
    planner.add({tokens_from(0, 60), 5});
    FAIL() << "65 tokens were accepted into 64";
  } catch (const ConfigError& error) {
    EXPECT_STREQ(error.what(), "a prompt of 60 tokens and 5 new tokens need 17 pages of 4 tokens; the KV cache has 16");
  }
  EXPECT_THROW(planner.add({tokens_from(0, 3), INT64_MAX}), ConfigError);
  EXPECT_EQ(planner.num_waiting(), 1);
}

TEST(Planner, CutsPromptsAtPagesAndAsksForLogitsAtTheEnd) {
  PlannerConfig config = small_config();
  config.max_step_tokens = 10;  // two pages fit, the third would be cut
  Planner planner(config);
  const SequenceId id = planner.add({tokens_from(100, 19), 2, /*needs_full_logits=*/true});
  const int64_t begins[] = {0, 8, 16, 19}, ends[] = {8, 16, 19, 20};
  for (int i = 0; i < 4; ++i) {
    const StepPlan plan = take_step(planner);
    ASSERT_EQ(plan.rows.size(), 1U);
    const PlanRow& row = plan.rows[0];
    EXPECT_EQ(plan.number, static_cast<uint64_t>(i));
    EXPECT_EQ(row.sequence, id);
    EXPECT_EQ(row.first_position, begins[i]);
    EXPECT_EQ(row.first_position + static_cast<int64_t>(row.tokens.size()), ends[i]);
    EXPECT_EQ(row.wants_logits, i >= 2);
    EXPECT_EQ(row.needs_full_logits, i >= 2);
    EXPECT_EQ(row.tokens[0], i < 3 ? TokenId(100 + static_cast<int32_t>(begins[i])) : TokenId(7));
  }
}

TEST(Planner, PrefillChunkBoundsOneSequenceNotTheStep) {
  PlannerConfig config = small_config();
  config.prefill_chunk = 4;
  Planner planner(config);
  planner.add({tokens_from(100, 10), 1});
  planner.add({tokens_from(200, 10), 1});
  const StepPlan plan = take_step(planner);
  ASSERT_EQ(plan.rows.size(), 2U);
  EXPECT_EQ(plan.rows[0].tokens.size(), 4U);
  EXPECT_EQ(plan.rows[1].tokens.size(), 4U);
}

TEST(Planner, AStepMixesDecodesFirstThenPrompts) {
  Planner planner(small_config());
  const SequenceId first = planner.add({tokens_from(100, 3), 8});
  take_step(planner);
  const SequenceId second = planner.add({tokens_from(200, 20), 8});
  const SequenceId third = planner.add({tokens_from(300, 2), 8});
  const StepPlan plan = take_step(planner);
  ASSERT_EQ(plan.rows.size(), 3U);  // 1 + 8 + 2 tokens of 12: a third page of the second sequence does not fit
  EXPECT_EQ(plan.rows[0].sequence, first);
  EXPECT_EQ(plan.rows[0].tokens, std::vector<TokenId>{TokenId(7)});
  EXPECT_EQ(plan.rows[1].sequence, second);
  EXPECT_EQ(plan.rows[1].tokens.size(), 8U);
  EXPECT_EQ(row_of(plan, third)->tokens.size(), 2U);
}

TEST(Planner, NoMoreSequencesRunThanRowsFit) {
  Planner planner(small_config());
  for (int32_t i = 0; i < 10; ++i) planner.add({tokens_from(100 * i, 2), 3});
  const StepPlan plan = take_step(planner);
  EXPECT_EQ(plan.rows.size(), 4U);
  EXPECT_EQ(planner.num_running(), 4);
  EXPECT_EQ(planner.num_waiting(), 6);
}

TEST(Planner, AFinishedSequenceMakesRoomForTheNext) {
  Planner planner(small_config());
  std::vector<SequenceId> ids;
  for (int32_t i = 0; i < 5; ++i) ids.push_back(planner.add({tokens_from(100 * i, 2), 3}));
  take_step(planner);
  planner.finish(ids[1]);
  const StepPlan plan = take_step(planner);
  EXPECT_EQ(row_of(plan, ids[1]), nullptr);
  EXPECT_NE(row_of(plan, ids[4]), nullptr);
}

TEST(Planner, CallsOutOfOrderAreFaults) {
  Planner planner(small_config());
  EXPECT_THROW(planner.plan(), Error);  // nothing to do
  const SequenceId id = planner.add({tokens_from(100, 3), 1});
  const StepPlan plan = planner.plan();
  EXPECT_THROW(planner.plan(), Error);
  EXPECT_THROW(planner.finish(id), Error);
  EXPECT_THROW(planner.last_plan(), Error);
  EXPECT_THROW(planner.commit(plan, {}), Error);  // one token is due
  const std::vector<TokenId> sampled{TokenId(1)};
  planner.commit(plan, sampled);
  EXPECT_THROW(planner.commit(plan, sampled), Error);
  EXPECT_THROW(planner.plan(), Error);  // its one token is there: it must be finished
}

TEST(Planner, TheLastPlanEndsOneLoopAndAnotherMayFollow) {
  Planner planner(small_config());
  const SequenceId id = planner.add({tokens_from(100, 3), 1});
  take_step(planner);
  planner.finish(id);
  EXPECT_THROW(planner.finish(id), Error);
  EXPECT_FALSE(planner.has_work());
  const StepPlan last = planner.last_plan();
  EXPECT_TRUE(last.last);
  EXPECT_EQ(last.number, 1U);
  EXPECT_EQ(count_ops(last, PageOpKind::kEvict), 1);  // the private page of the finished sequence
  planner.add({tokens_from(100, 3), 1});
  const StepPlan next = planner.plan();
  EXPECT_EQ(next.number, 2U);
  EXPECT_FALSE(next.last);
}

TEST(Planner, ATamperedPlanStopsTheRank) {
  Planner planner(small_config());
  planner.add({tokens_from(100, 9), 5});
  const StepPlan first = take_step(planner);
  const StepPlan second = take_step(planner);
  ASSERT_FALSE(second.ops.empty());
  PageTable good(16);
  good.apply(first);
  EXPECT_NO_THROW(good.apply(second));
  StepPlan tampered = first;
  std::swap(tampered.ops[0].slot, tampered.ops[1].slot);  // possible in itself, but not what the leader planned
  PageTable bad(16);
  bad.apply(tampered);
  EXPECT_THROW(bad.apply(second), Error);
}

TEST(Planner, CountsItsWork) {
  Planner planner(small_config());
  const SequenceId id = planner.add({tokens_from(100, 9), 2});
  take_step(planner);
  take_step(planner);
  const PlannerStats& stats = planner.stats();
  EXPECT_EQ(stats.steps, 2);
  EXPECT_EQ(stats.prompt_tokens, 9);
  EXPECT_EQ(stats.computed_tokens, 10);
  EXPECT_EQ(stats.used_slots, 3);
  EXPECT_EQ(stats.peak_used_slots, 3);
  EXPECT_EQ(stats.unreferenced_pages, 0);
  planner.finish(id);
  EXPECT_EQ(stats.used_slots, 2);
  EXPECT_EQ(stats.unreferenced_pages, 2);
}

}  // namespace
}  // namespace lockstep
