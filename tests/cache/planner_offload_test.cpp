// Pages of running sequences that are left to the host: which, and what becomes of them.
#include "cache/page_table.h"
#include "cache/planner.h"
#include "core/error.h"
#include "tests/cache/planner_steps.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <map>

namespace lockstep {
namespace {

constexpr int64_t kSlots = 12, kSink = 1, kRecent = 1;

PlannerConfig config_of(int64_t host_slots = 20) {
  return {.num_slots = kSlots,
          .page_tokens = 4,
          .max_step_tokens = 64,
          .max_sequences = 8,
          .sparse = true,
          .offload = true,
          .sparse_sink_pages = kSink,
          .sparse_recent_pages = kRecent,
          .tiers = {.host_slots = host_slots, .stored = {}}};
}

int64_t count_offloads(const StepPlan& plan) { return std::count_if(plan.ops.begin(), plan.ops.end(), is_offload); }

/// Steps until a page was left to the host.
StepPlan step_to_offload(Planner& planner) {
  for (int i = 0; i < 100; ++i) {
    const StepPlan plan = take_step(planner);
    if (count_offloads(plan) > 0) return plan;
  }
  LS_THROW(Error, "no page was left to the host");
}

TEST(PlannerOffload, BothRunToTheirEndsWithTheirFirstAndLastPagesOnTheDevice) {
  Planner planner(config_of());
  PageTable table(kSlots, 20);
  const std::vector<SequenceId> ids = {planner.add({tokens_from(100, 16), 24}),
                                       planner.add({tokens_from(200, 16), 24})};
  for (int step = 0; step < 24; ++step) {
    const StepPlan plan = take_step(planner);
    planner.check_invariants();
    table.apply(plan);
    EXPECT_EQ(plan.confirms, count_offloads(plan) > 0);
    ASSERT_EQ(plan.rows.size(), 2U) << "step " << step;
    for (const PlanRow& row : plan.rows) {
      const auto count = static_cast<int64_t>(row.pages.size());
      for (int64_t page = 0; page < count; ++page) {
        const bool stays = page < kSink || page >= count - kRecent - 2;
        const bool is_on_device = table.slot_of(row.pages[static_cast<size_t>(page)]).value() < kSlots;
        EXPECT_TRUE(is_on_device || !stays) << "page " << page << " of " << count;
      }
    }
  }
  EXPECT_EQ(planner.stats().preemptions, 0);
  EXPECT_EQ(planner.stats().in_place_pages, 2 * 10 - kSlots);  // ten pages each
  EXPECT_EQ(planner.stats().offloaded_pages, 2 * 10 - kSlots);
  EXPECT_EQ(planner.stats().peak_used_slots, kSlots);
  for (const SequenceId id : ids) planner.finish(id);
  planner.check_invariants();
  EXPECT_EQ(planner.stats().in_place_pages, 0);
}

// All would fit if they gave up their last pages.
TEST(PlannerOffload, SomebodyGivesWayBeforeRecentPagesGo) {
  PlannerConfig config = config_of();
  config.num_slots = 10;
  Planner planner(config);
  PageTable table(config.num_slots, 20);
  for (const int32_t first : {100, 200, 300}) planner.add({tokens_from(first, 8), 28});
  for (int step = 0; step < 28; ++step) {
    const StepPlan plan = take_step(planner);
    planner.check_invariants();
    table.apply(plan);
    for (const PlanRow& row : plan.rows) {
      const auto count = static_cast<int64_t>(row.pages.size());
      for (int64_t page = std::max<int64_t>(count - kRecent - 2, 0); page < count; ++page) {
        EXPECT_LT(table.slot_of(row.pages[static_cast<size_t>(page)]).value(), config.num_slots) << page;
      }
    }
  }
  EXPECT_GT(planner.stats().offloaded_pages, 0);
  EXPECT_GT(planner.stats().preemptions, 0);
}

TEST(PlannerOffload, WithoutHostMemoryTheYoungerGivesWay) {
  Planner planner(config_of(/*host_slots=*/2));
  planner.add({tokens_from(100, 16), 24});
  planner.add({tokens_from(200, 16), 24});
  for (int step = 0; step < 24; ++step) take_step(planner);
  EXPECT_EQ(planner.stats().offloaded_pages, 2);
  EXPECT_EQ(planner.stats().preemptions, 1);
}

// Both halves of a split first page belong together.
TEST(PlannerOffload, ASplitFirstPageStays) {
  PlannerConfig config = config_of();
  config.splits_first_page = true;
  config.open_slots = config.least_open_slots() + 4;
  config.sparse_sink_pages = 0;
  Planner planner(config);
  PageTable table(kSlots, 20, config.open_slots);
  planner.add({tokens_from(100, 16), 24});
  planner.add({tokens_from(200, 16), 24});
  for (int step = 0; step < 24; ++step) {
    const StepPlan plan = take_step(planner);
    table.apply(plan);
    for (const PlanRow& row : plan.rows) {
      EXPECT_LT(table.slot_of(row.pages[0]).value(), kSlots);
      EXPECT_LT(table.slot_of(row.pages[1]).value(), kSlots);
    }
  }
  EXPECT_GT(planner.stats().offloaded_pages, 0);
}

TEST(PlannerOffload, AnotherSequenceReadsThemInPlace) {
  Planner planner(config_of());
  const auto prompt = tokens_from(100, 16);
  planner.add({prompt, 24});
  planner.add({tokens_from(200, 16), 24});
  while (planner.stats().in_place_pages < 3) take_step(planner);
  const int64_t in_place = planner.stats().in_place_pages;
  const SequenceId third = planner.add({joined(prompt, tokens_from(300, 2)), 1});
  StepPlan plan = take_step(planner);
  ASSERT_NE(row_of(plan, third), nullptr);
  EXPECT_EQ(row_of(plan, third)->first_position, 16);  // its first four pages are there, some on the host
  EXPECT_EQ(count_ops(plan, PageOpKind::kPromote), 0);
  EXPECT_GE(planner.stats().in_place_pages, in_place);
  planner.check_invariants();
  EXPECT_EQ(planner.finish(third).cached_prompt_tokens, 16);
}

// Whoever reads it goes back behind the page before it.
TEST(PlannerOffload, ACopyThatFailedIsComputedAgain) {
  Planner planner(config_of());
  const SequenceId first = planner.add({tokens_from(100, 16), 24}), second = planner.add({tokens_from(200, 16), 24});
  for (;;) {
    const StepPlan plan = planner.plan();
    const std::vector<TokenId> tokens(static_cast<size_t>(num_wanted(plan)), TokenId(7));
    const auto op = std::find_if(plan.ops.begin(), plan.ops.end(), is_offload);
    if (op == plan.ops.end()) {
      planner.commit(plan, tokens);
      continue;
    }
    const std::vector<PageId> failed = {op->page};
    const std::vector<size_t> rows = Planner::void_rows(plan, failed);
    ASSERT_EQ(rows.size(), 1U);
    const PlanRow& row = plan.rows[rows.front()];
    const auto page = std::find(row.pages.begin(), row.pages.end(), op->page) - row.pages.begin();
    planner.commit(plan, tokens, failed);
    planner.check_invariants();
    EXPECT_EQ(planner.stats().void_rows, 1);
    EXPECT_EQ(planner.stats().invalidated_pages, 1);
    // The copy itself is told of later, and changes nothing then.
    TransferStatus status;
    status.done[static_cast<size_t>(TransferChannel::kToHost)] = 1;
    status.failed = {{TransferChannel::kToHost, 1}};
    planner.report(status);
    EXPECT_EQ(planner.stats().failed_transfers[static_cast<size_t>(TransferChannel::kToHost)], 1);
    const SequenceId behind = row.sequence;
    const StepPlan next = planner.plan();
    ASSERT_NE(row_of(next, behind), nullptr);
    EXPECT_EQ(row_of(next, behind)->first_position, page * 4);
    planner.commit(next, std::vector<TokenId>(static_cast<size_t>(num_wanted(next)), TokenId(7)));
    break;
  }
  planner.finish(first);
  planner.finish(second);
}

// Nine go back behind a page that all share, most of them with one token behind their prompts: ends of prompts and
// these tokens are two rows each for the kernels.
TEST(PlannerOffload, ManyThatResumeTogetherKeepTheBoundOfRows) {
  constexpr int64_t kShared = 20, kSequences = 9;
  PlannerConfig config = config_of();
  config.num_slots = kShared + kSequences + 2;
  config.max_step_tokens = 256;
  config.max_sequences = kSequences;
  const int64_t most_rows = config.max_sequences + config.page_tokens;
  Planner planner(config);
  for (int32_t i = 0; i < kSequences; ++i) {
    planner.add({joined(tokens_from(100, kShared * 4), tokens_from(500 + 10 * i, 4)), 4});
  }
  bool has_failed = false;
  int64_t most = 0;
  std::map<SequenceId, int64_t> num_generated;
  for (int step = 0; step < 100 && planner.has_work(); ++step) {
    const StepPlan plan = planner.plan();
    EXPECT_LE(num_kernel_rows(plan), most_rows) << "step " << step;
    if (has_failed) most = std::max(most, num_kernel_rows(plan) - static_cast<int64_t>(plan.rows.size()));
    std::vector<PageId> failed;
    const auto op = std::find_if(plan.ops.begin(), plan.ops.end(), is_offload);
    if (!has_failed && op != plan.ops.end()) failed = {op->page};
    const std::vector<size_t> rows = Planner::void_rows(plan, failed);
    if (!failed.empty()) {
      EXPECT_EQ(rows.size(), plan.rows.size()) << "all read it";
      EXPECT_GE(std::ssize(rows), kSequences - 1);
      has_failed = true;
    }
    planner.commit(plan, std::vector<TokenId>(static_cast<size_t>(num_wanted(plan)), TokenId(7)), failed);
    planner.check_invariants();
    for (const PlanRow& row : plan.rows) {
      if (failed.empty() && row.wants_logits && ++num_generated[row.sequence] == 4) planner.finish(row.sequence);
    }
  }
  EXPECT_FALSE(planner.has_work());
  EXPECT_TRUE(has_failed);
  EXPECT_EQ(most, config.page_tokens) << "as many at a time as there is room for";
}

// What is reported while the plan is open is left to its confirmation.
TEST(PlannerOffload, AFailureThatIsReportedEarlyWaitsForTheConfirmation) {
  Planner planner(config_of());
  planner.add({tokens_from(100, 16), 24});
  planner.add({tokens_from(200, 16), 24});
  StepPlan plan = planner.plan();
  while (count_offloads(plan) == 0) {
    planner.commit(plan, std::vector<TokenId>(static_cast<size_t>(num_wanted(plan)), TokenId(7)));
    plan = planner.plan();
  }
  TransferStatus status;
  status.failed = {{TransferChannel::kToHost, 1}};
  planner.report(status);
  EXPECT_EQ(planner.stats().invalidated_pages, 0);
  const auto op = std::find_if(plan.ops.begin(), plan.ops.end(), is_offload);
  const std::vector<PageId> failed = {op->page};
  planner.commit(plan, std::vector<TokenId>(static_cast<size_t>(num_wanted(plan)), TokenId(7)), failed);
  EXPECT_EQ(planner.stats().invalidated_pages, 1);
  planner.check_invariants();
}

TEST(PlannerOffload, AllowsMoreSequencesThanTheDeviceHolds) {
  Planner planner(config_of());
  planner.add({tokens_from(100, 16), 24});
  planner.add({tokens_from(200, 16), 24});
  step_to_offload(planner);
  planner.add({tokens_from(300, 4), 8});
  take_step(planner);
  EXPECT_EQ(planner.num_running(), 3);
}

TEST(PlannerOffload, NeedsSparseAttentionAndHostSlots) {
  PlannerConfig config = config_of();
  config.sparse = false;
  EXPECT_THROW(Planner{config}, ConfigError);
  EXPECT_THROW(Planner{config_of(0)}, ConfigError);
}

}  // namespace
}  // namespace lockstep
