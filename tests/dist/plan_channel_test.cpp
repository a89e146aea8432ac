#include "dist/plan_channel.h"

#include "core/error.h"
#include "tests/dist/plan_channel_cases.h"
#include "tests/support/local_ranks.h"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

class PlanChannelRanks : public testing::TestWithParam<int32_t> {};
INSTANTIATE_TEST_SUITE_P(Sizes, PlanChannelRanks, testing::Values(1, 2, 3, 4, 8));

TEST_P(PlanChannelRanks, CarriesPlansInOrder) {
  check_on_local_ranks(GetParam(), [](Communicator& c) { plan_channel_cases::carries_plans_in_order(c, 200); });
}

TEST_P(PlanChannelRanks, AGapStopsEveryRank) {
  check_on_local_ranks(GetParam(), plan_channel_cases::a_gap_stops_every_rank);
}

TEST(PlanChannel, OnlyTheLeaderPublishes) {
  const StepPlan plan;
  const auto publish_from = [&](Rank publisher) {
    run_local_ranks(2, [&](Communicator& c) { PlanChannel(c).exchange(c.rank() == publisher ? &plan : nullptr); });
  };
  EXPECT_NO_THROW(publish_from(Rank(0)));
  EXPECT_THROW(publish_from(Rank(1)), Error);
}

TEST(PlanChannel, DamagedBytesAreAFormatError) {
  // Rank 0 plays a leader whose bytes change on the way.
  EXPECT_THROW(run_local_ranks(2,
                               [](Communicator& c) {
                                 if (c.rank() == Rank(1)) {
                                   PlanChannel(c).exchange(nullptr);
                                   return;
                                 }
                                 std::vector<std::byte> bytes = serialize(StepPlan{});
                                 bytes[bytes.size() / 2] ^= std::byte{1};
                                 broadcast_bytes(c, bytes, Rank(0));
                               }),
               FormatError);
}

}  // namespace
}  // namespace lockstep
