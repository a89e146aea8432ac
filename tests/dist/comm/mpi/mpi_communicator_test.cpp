#include "dist/comm/mpi/mpi_communicator.h"

#include "core/error.h"
#include "dist/agree.h"
#include "tests/dist/comm/collective_cases.h"
#include "tests/support/rank_environment.h"

#include <gtest/gtest.h>
#include <memory>
#include <string>

namespace lockstep {
namespace {

class MpiRanks : public testing::TestWithParam<Transport> {
 protected:
  const std::unique_ptr<Communicator> communicator_ = make_mpi_communicator(rank_environment(), GetParam());
};
INSTANTIATE_TEST_SUITE_P(Transports, MpiRanks, testing::Values(Transport::kSharedMemory, Transport::kMpi),
                         [](const auto& suite) { return std::string(name_of(suite.param)); });

TEST_P(MpiRanks, NamesItsTransportAndPlace) {
  EXPECT_EQ(communicator_->transport(), GetParam() == Transport::kMpi ? "mpi" : "mpi (shared memory)");
  EXPECT_EQ(communicator_->rank(), rank_environment().world_rank());
  EXPECT_EQ(communicator_->size(), rank_environment().world_size());
}
TEST_P(MpiRanks, SumsAreExact) { collective_cases::sums_are_exact(*communicator_, 1000); }
TEST_P(MpiRanks, SumsArePairwise) { collective_cases::sums_are_pairwise(*communicator_); }
TEST_P(MpiRanks, ResultsMayBeChangedAtOnce) { collective_cases::results_may_be_changed_at_once(*communicator_); }
TEST_P(MpiRanks, BroadcastsFromEveryRoot) { collective_cases::broadcasts_from_every_root(*communicator_); }
TEST_P(MpiRanks, AllGathersInRankOrder) { collective_cases::all_gathers_in_rank_order(*communicator_); }
TEST_P(MpiRanks, GathersUnequalSizes) { collective_cases::gathers_unequal_sizes(*communicator_); }
TEST_P(MpiRanks, MinimumAndMaximum) { collective_cases::minimum_and_maximum(*communicator_); }
TEST_P(MpiRanks, SplitGroupsWorkSideBySide) { collective_cases::split_groups_work_side_by_side(*communicator_); }
TEST_P(MpiRanks, WrongArgumentsAreRefused) { collective_cases::wrong_arguments_are_refused(*communicator_); }

TEST_P(MpiRanks, EveryRankLearnsOfAFailure) {
  const Rank last(communicator_->size() - 1);
  try {
    run_on_all_or_fail(*communicator_, [&] {
      if (communicator_->rank() == last) LS_THROW(IoError, "cannot open weights");
    });
    FAIL() << "nothing was thrown";
  } catch (const CommError& error) {
    EXPECT_EQ(error.what(), "rank " + std::to_string(last.value()) + " failed: cannot open weights");
  }
  communicator_->barrier();
}

TEST(MpiCommunicator, AutoTakesSharedMemoryWithinANode) {
  const auto communicator = make_mpi_communicator(rank_environment());
  const bool one_node = rank_environment().is_single_node();
  EXPECT_EQ(communicator->transport(), one_node ? "mpi (shared memory)" : "mpi");
}

}  // namespace
}  // namespace lockstep
