#include "dist/comm/staged/staged_communicator.h"
#include "dist/comm/transport.h"
#include "tests/dist/comm/collective_cases.h"
#include "tests/dist/comm/gpu_rank.h"
#include "tests/support/world.h"

#include <gtest/gtest.h>
#include <string>

namespace lockstep {
namespace {

class StagedMpiRanks : public testing::TestWithParam<Transport> {
 protected:
  void SetUp() override {
    if (!cuda_status().is_ready()) GTEST_SKIP() << cuda_status().reason;
    gpu_ = std::make_unique<GpuRank>(Device::cuda(0));
    staged_ = make_world_communicator(rank_environment(), GetParam(), gpu_->device());
  }
  std::unique_ptr<GpuRank> gpu_;
  std::unique_ptr<Communicator> staged_;
};
INSTANTIATE_TEST_SUITE_P(Transports, StagedMpiRanks, testing::Values(Transport::kSharedMemory, Transport::kMpi),
                         [](const auto& suite) { return std::string(name_of(suite.param)); });

TEST_P(StagedMpiRanks, NamesItsTransport) {
  EXPECT_EQ(staged_->transport(), GetParam() == Transport::kMpi ? "mpi (staged)" : "mpi (shared memory) (staged)");
}
TEST_P(StagedMpiRanks, SumsAreExact) { collective_cases::sums_are_exact(*staged_, 64, gpu_->context()); }
TEST_P(StagedMpiRanks, SumsArePairwise) { collective_cases::sums_are_pairwise(*staged_, gpu_->context()); }
TEST_P(StagedMpiRanks, GathersOnDevice) { collective_cases::gathers_on_device(*staged_, gpu_->context()); }
TEST_P(StagedMpiRanks, SplitGroupsWorkSideBySide) {
  collective_cases::split_groups_work_side_by_side(*staged_, gpu_->context());
}

}  // namespace
}  // namespace lockstep
