#include "core/buffer.h"
#include "core/copy.h"
#include "core/error.h"
#include "core/graph.h"
#include "dist/comm/nccl/nccl_communicator.h"
#include "dist/comm/transport.h"
#include "tests/dist/comm/collective_cases.h"
#include "tests/dist/comm/gpu_rank.h"
#include "tests/support/world.h"

#include <cstdlib>
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace lockstep {
namespace {

// Every rank on a GPU of its own. Skips on all ranks alike: they are on one machine.
class NcclRanks : public testing::Test {
 protected:
  void SetUp() override {
    const Communicator& world = testing_support::world();
    if (!cuda_status().is_ready() || cuda_status().num_devices < world.size()) {
      GTEST_SKIP() << "needs " << world.size() << " GPUs: " << cuda_status().reason;
    }
    gpu_ = std::make_unique<GpuRank>(world.rank());
    nccl_ = make_nccl_communicator(make_mpi_communicator(rank_environment()), gpu_->device());
  }
  const OpContext& context() const { return gpu_->context(); }

  std::unique_ptr<GpuRank> gpu_;
  std::unique_ptr<Communicator> nccl_;
};

TEST_F(NcclRanks, NamesItsTransportAndPlace) {
  EXPECT_EQ(nccl_->transport(), "nccl");
  EXPECT_TRUE(nccl_->is_capturable());
  EXPECT_EQ(nccl_->rank(), rank_environment().world_rank());
  EXPECT_EQ(nccl_->size(), rank_environment().world_size());
}
TEST_F(NcclRanks, SumsAreExact) { collective_cases::sums_are_exact(*nccl_, 64, context()); }
TEST_F(NcclRanks, SumsArePairwise) { collective_cases::sums_are_pairwise(*nccl_, context()); }
TEST_F(NcclRanks, ResultsMayBeChangedAtOnce) { collective_cases::results_may_be_changed_at_once(*nccl_, context()); }
TEST_F(NcclRanks, GathersOnDevice) { collective_cases::gathers_on_device(*nccl_, context()); }
TEST_F(NcclRanks, SumAndNormIsItsParts) { collective_cases::sum_and_norm_is_its_parts(*nccl_, context()); }
// The one kernel runs on real GPUs only; elsewhere this is the way around it.
TEST_F(NcclRanks, SumAndNormInOneKernelIsItsParts) {
  const auto fusing = make_nccl_communicator(make_mpi_communicator(rank_environment()), gpu_->device(),
                                             {.time_limit = std::chrono::seconds(60), .fuses_norm = true});
  collective_cases::sum_and_norm_is_its_parts(*fusing, context());
  const Buffer memory(1024, gpu_->device());
  const TensorView rows = memory.view(DType::kF32, {2, 8}), weight = memory.view(DType::kF32, {8});
  EXPECT_THROW(fusing->all_reduce_add_rms_norm(context(), rows, memory.view(DType::kF32, {4, 4}), std::nullopt, weight,
                                               1e-5F, rows),
               ShapeError);
}
TEST_F(NcclRanks, SplitGroupsWorkSideBySide) { collective_cases::split_groups_work_side_by_side(*nccl_, context()); }
TEST_F(NcclRanks, ControlGoesThrough) {
  collective_cases::broadcasts_from_every_root(*nccl_);
  collective_cases::all_gathers_in_rank_order(*nccl_);
  collective_cases::gathers_unequal_sizes(*nccl_);
  collective_cases::minimum_and_maximum(*nccl_);
}

// Sizes on both sides of the way's change, with slices that are equal, unequal, and end in the middle of four.
TEST_F(NcclRanks, LargeSumsByUnequalSlices) {
  for (const int64_t count : {524288, 524289, 600011, 720720, 2097169}) {
    const Buffer buffer(count * 4, gpu_->device());
    std::vector<float> values(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) {
      values[static_cast<size_t>(i)] = static_cast<float>((nccl_->rank().value() * 31 + i) % 1001);
    }
    copy_async(gpu_->stream(), buffer.data(), values.data(), count * 4);
    const TensorView view = buffer.view(DType::kF32, {count});
    nccl_->all_reduce_sum(context(), view, view);
    copy_async(gpu_->stream(), values.data(), buffer.data(), count * 4);
    gpu_->stream().synchronize();
    for (int64_t i = 0; i < count; ++i) {
      float expected = 0.0F;
      for (int32_t r = 0; r < nccl_->size(); ++r) expected += static_cast<float>((r * 31 + i) % 1001);
      ASSERT_EQ(values[static_cast<size_t>(i)], expected) << "element " << i << " of " << count;
    }
  }
}

TEST_F(NcclRanks, TheBufferStaysWhereItIs) {
  void* const first = nccl_->partial_buffer(1000);
  EXPECT_EQ(nccl_->partial_buffer(10), first);
  EXPECT_EQ(nccl_->partial_buffer(1000), first);
  void* const larger = nccl_->partial_buffer(int64_t{3} << 20);
  EXPECT_NE(larger, first);
  EXPECT_EQ(nccl_->partial_buffer(1000), larger);
}

TEST_F(NcclRanks, SumsAreRecordedAndReplayed) {
  const int64_t count = 1500, large = 700000;
  const Buffer in(large * 4, gpu_->device()), gathered(count * 4 * nccl_->size(), gpu_->device());
  void* const buffer = nccl_->partial_buffer(large * 4);  // both sums fit from now on
  const TensorView partial(buffer, DType::kF32, {count}, gpu_->device());
  const TensorView whole = in.view(DType::kF32, {large}), part = in.view(DType::kF32, {count});
  const Graph graph = [&] {
    return Graph::capture(gpu_->stream(), [&] {
      copy_async(gpu_->stream(), buffer, in.data(), count * 4);
      nccl_->all_reduce_sum(context(), partial, partial);
      nccl_->all_gather_on_device(context(), part, gathered.view(DType::kF32, {nccl_->size(), count}));
      nccl_->all_reduce_sum(context(), whole, whole);
    });
  }();
  auto& replayed = const_cast<Graph&>(graph);
  const auto size = static_cast<float>(nccl_->size());
  for (int round = 0; round < 3; ++round) {
    std::vector<float> values(static_cast<size_t>(large), static_cast<float>(nccl_->rank().value() + round));
    copy_async(gpu_->stream(), in.data(), values.data(), large * 4);
    replayed.launch(gpu_->stream());
    std::vector<float> small(static_cast<size_t>(count)), all(static_cast<size_t>(count * nccl_->size()));
    copy_async(gpu_->stream(), small.data(), buffer, count * 4);
    copy_async(gpu_->stream(), all.data(), gathered.data(), gathered.bytes());
    copy_async(gpu_->stream(), values.data(), in.data(), large * 4);
    gpu_->stream().synchronize();
    nccl_->throw_if_failed();
    const float expected = size * (size - 1) / 2 + size * static_cast<float>(round);
    EXPECT_EQ(small, std::vector<float>(small.size(), expected)) << round;
    EXPECT_EQ(values, std::vector<float>(values.size(), expected)) << round;
    for (int32_t r = 0; r < nccl_->size(); ++r) {
      EXPECT_EQ(all[static_cast<size_t>(r * count)], static_cast<float>(r + round));
    }
  }
}

TEST_F(NcclRanks, ARecordingDoesNotGrowMemory) {
  if (nccl_->size() == 1) return;  // needs none
  const int64_t count = int64_t{8} << 20;
  const Buffer memory(count * 4, gpu_->device());
  const TensorView view = memory.view(DType::kF32, {count});
  EXPECT_THROW(Graph::capture(gpu_->stream(), [&] { nccl_->all_reduce_sum(context(), view, view); }), CudaError);
  nccl_->barrier();
}

TEST_F(NcclRanks, WrongArgumentsAreRefused) {
  const Buffer memory(1024, gpu_->device());
  std::vector<float> host(4);
  const TensorView good = memory.view(DType::kF32, {4});
  EXPECT_THROW(nccl_->all_reduce_sum(context(), memory.view(DType::kBF16, {4}), good), DTypeError);
  EXPECT_THROW(nccl_->all_reduce_sum(context(), good, memory.view(DType::kF32, {5})), ShapeError);
  EXPECT_THROW(nccl_->all_reduce_sum(context(), good, TensorView(host.data(), DType::kF32, {4})), NotCompiled);
  EXPECT_THROW(nccl_->all_gather_on_device(context(), good, memory.view(DType::kI32, {4 * nccl_->size()})), DTypeError);
  EXPECT_THROW(nccl_->all_gather_on_device(context(), good, memory.view(DType::kF32, {nccl_->size() * 4 + 1})),
               ShapeError);
}

TEST_F(NcclRanks, AutoTakesNcclForGpusOfTheirOwn) {
  std::string reason;
  const auto chosen = make_world_communicator(rank_environment(), Transport::kAuto, gpu_->device(), &reason);
  EXPECT_EQ(chosen->transport(), "nccl");
  EXPECT_EQ(reason, "sums over ranks by nccl: every rank has a GPU of its own");
  const auto staged = make_world_communicator(rank_environment(), Transport::kMpi, gpu_->device(), &reason);
  EXPECT_EQ(staged->transport(), "mpi (staged)");
  EXPECT_EQ(reason, "sums over ranks by mpi (staged), through the host: transport mpi was asked for");
}

TEST_F(NcclRanks, ASharedGpuIsStagedOrRefused) {
  if (nccl_->size() == 1) return;
  std::string reason;
  const auto chosen = make_world_communicator(rank_environment(), Transport::kAuto, Device::cuda(0), &reason);
  EXPECT_EQ(chosen->transport(), rank_environment().is_single_node() ? "mpi (shared memory) (staged)" : "mpi (staged)");
  EXPECT_NE(reason.find("ranks 0 and 1 share the GPU "), std::string::npos) << reason;
  EXPECT_THROW(make_world_communicator(rank_environment(), Transport::kNccl, Device::cuda(0)), ConfigError);
  EXPECT_THROW(make_world_communicator(rank_environment(), Transport::kNccl, Device::cpu()), ConfigError);
}

TEST_F(NcclRanks, RanksShareAGpuWhereNcclAllowsIt) {
  ::setenv("NCCL_MULTI_RANK_GPU_ENABLE", "1", 1);
  {
    const auto host = make_mpi_communicator(rank_environment());
    const bool is_allowed = why_not_nccl(*host, gather_gpu_places(*host, Device::cuda(0))).empty();
    if (is_allowed) {
      GpuRank shared(Device::cuda(0));
      const auto nccl = make_world_communicator(rank_environment(), Transport::kNccl, Device::cuda(0));
      collective_cases::results_may_be_changed_at_once(*nccl, shared.context());
    }
  }
  ::unsetenv("NCCL_MULTI_RANK_GPU_ENABLE");
}

}  // namespace
}  // namespace lockstep
