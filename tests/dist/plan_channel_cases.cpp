#include "tests/dist/plan_channel_cases.h"

#include "core/error.h"
#include "dist/plan_channel.h"

#include <gtest/gtest.h>

namespace lockstep::plan_channel_cases {
namespace {

// Plan `number`, the same wherever it is made: from empty to some 100 KiB.
StepPlan make_plan(uint64_t number) {
  StepPlan plan;
  plan.number = number;
  plan.digest_before = {number * 3, ~number};
  const auto n = static_cast<int64_t>(number);
  const int64_t num_ops = n % 7 * (n % 5) * 20;
  for (int64_t i = 0; i < num_ops; ++i) {
    plan.ops.push_back({i % 2 == 0 ? PageOpKind::kAllocate : PageOpKind::kEvict, PageId(n * 1000 + i),
                        SlotId(static_cast<int32_t>(i))});
  }
  const int64_t num_rows = n % 4;
  for (int64_t r = 0; r < num_rows; ++r) {
    PlanRow row;
    row.sequence = SequenceId(r + 1);
    row.wants_logits = r % 2 == 0;
    row.needs_full_logits = r % 3 == 0;
    const int64_t tokens = n % 10 == 3 ? 8192 : r + 1;
    for (int64_t t = 0; t < tokens; ++t) row.tokens.push_back(TokenId(static_cast<int32_t>(t * 7 + n)));
    for (int64_t p = 0; p < (tokens + 63) / 64; ++p) row.pages.push_back(PageId(p + n));
    plan.rows.push_back(std::move(row));
  }
  return plan;
}

}  // namespace

void carries_plans_in_order(Communicator& communicator, int num_plans) {
  PlanChannel channel(communicator);
  const bool leader = communicator.rank() == Rank(0);
  for (int i = 0; i < num_plans; ++i) {
    StepPlan expected = make_plan(static_cast<uint64_t>(i));
    expected.last = i + 1 == num_plans;
    const StepPlan received = channel.exchange(leader ? &expected : nullptr);
    ASSERT_EQ(received, expected) << "plan " << i;
  }
}

void a_gap_stops_every_rank(Communicator& communicator) {
  PlanChannel channel(communicator);
  const bool leader = communicator.rank() == Rank(0);
  const StepPlan first = make_plan(0), third = make_plan(2);
  channel.exchange(leader ? &first : nullptr);
  EXPECT_THROW(channel.exchange(leader ? &third : nullptr), CommError);
}

}  // namespace lockstep::plan_channel_cases
