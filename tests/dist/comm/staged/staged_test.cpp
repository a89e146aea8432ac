#include "core/buffer.h"
#include "core/copy.h"
#include "core/error.h"
#include "dist/comm/staged/staged_communicator.h"
#include "tests/dist/comm/collective_cases.h"
#include "tests/dist/comm/gpu_rank.h"
#include "tests/support/local_ranks.h"

#include <gtest/gtest.h>
#include <vector>

namespace lockstep {
namespace {

// Threads as ranks, all on one GPU.
class StagedRanks : public testing::TestWithParam<int32_t> {
 protected:
  void run(const std::function<void(Communicator&, const OpContext&)>& body) {
    check_on_local_ranks(GetParam(), [&](Communicator& host) {
      const GpuRank gpu(Device::cuda(0));
      const auto staged = make_staged_communicator(host.split(0, host.rank().value()), gpu.device());
      body(*staged, gpu.context());
    });
  }
};
INSTANTIATE_TEST_SUITE_P(Sizes, StagedRanks, testing::Values(1, 2, 3, 4));

TEST_P(StagedRanks, NamesItself) {
  run([](Communicator& c, const OpContext&) {
    EXPECT_EQ(c.transport(), "local (staged)");
    EXPECT_FALSE(c.is_capturable());
  });
}
TEST_P(StagedRanks, SumsAreExact) {
  run([](Communicator& c, const OpContext& context) { collective_cases::sums_are_exact(c, 64, context); });
}
TEST_P(StagedRanks, SumsArePairwise) { run(collective_cases::sums_are_pairwise); }
TEST_P(StagedRanks, ResultsMayBeChangedAtOnce) { run(collective_cases::results_may_be_changed_at_once); }
TEST_P(StagedRanks, GathersOnDevice) { run(collective_cases::gathers_on_device); }
TEST_P(StagedRanks, SumAndNormIsItsParts) { run(collective_cases::sum_and_norm_is_its_parts); }
TEST_P(StagedRanks, SplitGroupsWorkSideBySide) { run(collective_cases::split_groups_work_side_by_side); }
TEST_P(StagedRanks, SumsOfTheHostGoThrough) {
  run([](Communicator& c, const OpContext&) {
    std::vector<float> value(5, 1.0F);
    const TensorView view(value.data(), DType::kF32, {5});
    c.all_reduce_sum(OpContext{}, view, view);
    EXPECT_EQ(value, std::vector<float>(5, static_cast<float>(c.size())));
  });
}

// Many pieces, the last one short.
TEST(StagedCommunicator, SumsBeyondItsPinnedMemory) {
  check_on_local_ranks(2, [](Communicator& host) {
    const GpuRank gpu(Device::cuda(0));
    const auto staged = make_staged_communicator(host.split(0, host.rank().value()), gpu.device());
    const int64_t count = 5'000'001;
    const Buffer memory(count * 4, gpu.device()), all(2 * count * 4, gpu.device());
    std::vector<float> values(static_cast<size_t>(count)), seen(2 * values.size());
    const auto number = [](int64_t rank, size_t i) {
      return static_cast<float>((static_cast<size_t>(rank) * 7 + i) % 1009);
    };
    for (size_t i = 0; i < values.size(); ++i) values[i] = number(host.rank().value(), i);
    copy_async(*gpu.context().stream, memory.data(), values.data(), count * 4);
    const TensorView view = memory.view(DType::kF32, {count});
    staged->all_gather_on_device(gpu.context(), view, all.view(DType::kF32, {2, count}));
    staged->all_reduce_sum(gpu.context(), view, view);
    copy_async(*gpu.context().stream, values.data(), memory.data(), count * 4);
    copy_async(*gpu.context().stream, seen.data(), all.data(), 2 * count * 4);
    gpu.context().stream->synchronize();
    for (size_t i = 0; i < values.size(); ++i) {
      ASSERT_EQ(values[i], number(0, i) + number(1, i)) << i;
      ASSERT_EQ(seen[i], number(0, i)) << i;
      ASSERT_EQ(seen[values.size() + i], number(1, i)) << i;
    }
  });
}

TEST(StagedCommunicator, RanksThatBringDifferentCountsAreTold) {
  EXPECT_THROW(run_local_ranks(2,
                               [](Communicator& host) {
                                 const GpuRank gpu(Device::cuda(0));
                                 const auto staged = make_staged_communicator(host.split(0, 0), gpu.device());
                                 const Buffer memory(64, gpu.device());
                                 const TensorView view = memory.view(DType::kF32, {4 + host.rank().value()});
                                 staged->all_reduce_sum(gpu.context(), view, view);
                               }),
               CommError);
}

TEST(StagedCommunicator, HasNothingToDoForTheCpu) {
  EXPECT_THROW(make_staged_communicator(LocalGroup(1).communicator(Rank(0)), Device::cpu()), Error);
}

}  // namespace
}  // namespace lockstep
