// The mover on a CUDA device: streams in place of threads, events in place of waits.
#include "tests/cache/transfer/page_mover_cold.h"
#include "tests/cache/transfer/random_plans.h"

#include <atomic>
#include <chrono>
#include <gtest/gtest.h>
#include <thread>

namespace lockstep::test {
namespace {

constexpr PageId kA{1}, kB{2};
const Device kDevice = Device::cuda(0);

TEST(PageMoverDevice, APageGoesDownAllTiersAndComesBack) {
  Rig rig({.device = kDevice});
  EXPECT_TRUE(rig.run(rig.plan({allocate(kA, 2)}), {{SlotId(2), kA}}));
  EXPECT_TRUE(rig.run(rig.plan({to_host(kA, 2, 3), evict(kA, 2), to_disk(kA, 3), evict_host(kA, 3)})));
  EXPECT_TRUE(rig.settle().empty());
  EXPECT_TRUE(rig.run(rig.plan({allocate(kB, 2)}), {{SlotId(2), kB}}));
  EXPECT_TRUE(rig.run(rig.plan({to_host(kB, 2, 3)})));
  const StepPlan back = rig.plan({from_disk(kA, 1), to_device(kA, 1, 0)}, true);
  EXPECT_TRUE(rig.run(back, {}, {{SlotId(0), kA}, {SlotId(2), kB}}));
  EXPECT_TRUE(rig.mover->confirm(back).empty());
  EXPECT_TRUE(rig.settle().empty());
}

// Plans are enqueued one behind the other without anybody waiting for the device.
TEST(PageMoverDevice, AComputationIsEnqueuedBehindCopiesOutOfItsSlots) {
  Rig rig({.device = kDevice});
  for (int round = 0; round < 50; ++round) {
    const PageId first(2 * round + 10), second(2 * round + 11);
    StepPlan plan = rig.plan({allocate(first, 0)});
    const auto compute = [&](PageId page) {
      rig.mover->begin(plan);
      for (int64_t layer = 0; layer < 5; ++layer) rig.write_layer(SlotId(0), page, layer);
      rig.mover->end(plan);
    };
    compute(first);
    plan = rig.plan({to_host(first, 0, 0), evict(first, 0), allocate(second, 0)});
    compute(second);
    plan = rig.plan({to_device(first, 0, 1), evict_host(first, 0), to_host(second, 0, 0), evict(second, 0),
                     to_device(second, 0, 0)},
                    true);
    ASSERT_TRUE(rig.run(plan, {}, {{SlotId(1), first}, {SlotId(0), second}})) << round;
    ASSERT_TRUE(rig.mover->confirm(plan).empty());
    rig.run(rig.plan({evict(first, 1), evict(second, 0), evict_host(second, 0)}));
  }
  EXPECT_TRUE(rig.settle().empty());
}

TEST(PageMoverDevice, PagesShrinkAndComeBack) { expect_that_pages_shrink(kDevice); }
TEST(PageMoverDevice, SlotsOfColdPagesAreUsedAgainAtOnce) { expect_that_slots_are_used_again(kDevice); }
TEST(PageMoverDevice, FailuresOfColdPagesAreFoundAndTold) { expect_that_failures_are_found(kDevice); }

TEST(PageMoverDevice, FailuresAreFoundAndTold) {
  Rig rig({.device = kDevice, .faults = "bit_flip:nth=1,host_copy:nth=2"});
  rig.run(rig.plan({allocate(kA, 0), allocate(kB, 1)}), {{SlotId(0), kA}, {SlotId(1), kB}});
  rig.run(rig.plan({to_host(kA, 0, 0), to_host(kB, 1, 1)}));
  const StepPlan plan = rig.plan({to_device(kA, 0, 2), to_device(kB, 1, 3)}, true);
  EXPECT_TRUE(rig.run(plan, {}, {{SlotId(0), kA}, {SlotId(1), kB}}));
  EXPECT_EQ(rig.mover->confirm(plan), (std::vector<PageId>{kA, kB}));
  EXPECT_EQ(rig.settle().size(), 3U);
}

struct RandomCase {
  const char* name;
  int sync_every;
  const char* faults;
};

class PageMoverDeviceRandom : public testing::TestWithParam<RandomCase> {};

TEST_P(PageMoverDeviceRandom, NobodySeesAWrongByte) {
  const RandomCase& one = GetParam();
  std::atomic<uint64_t> batches{0};  // outlives the mover
  const bool has_faults = *one.faults != '\0';
  Rig rig({.device = kDevice,
           .faults = std::string("delay:ms=0.2:probability=0.1:seed=1,delay:ms=1:probability=0.02:seed=2") + one.faults,
           .mover = {.timeout = std::chrono::minutes(5), .piece_bytes = 1, .disk_batch_pages = 3}});
  rig.file.before_batch = [&] {
    if (batches.fetch_add(1) % 7 == 0) std::this_thread::sleep_for(std::chrono::microseconds(300));
  };
  const RandomCounts counts = RandomPlans(rig, 23, one.sync_every).run(10'000);
  EXPECT_EQ(counts.wrong, 0);
  EXPECT_GT(counts.checks, 10'000);
  for (const int64_t transfers : counts.transfers) EXPECT_GT(transfers, 300);
  EXPECT_GT(counts.reused_in_plan, 1000);
  EXPECT_EQ(counts.failures > 100, has_faults) << counts.failures;
}

INSTANTIATE_TEST_SUITE_P(All, PageMoverDeviceRandom,
                         testing::Values(RandomCase{"EveryPlanAwaited", 1, ""}, RandomCase{"ManyPlansAhead", 4, ""},
                                         RandomCase{
                                             "Faults", 2,
                                             ",host_copy:probability=0.05:seed=4,bit_flip:probability=0.05:seed=5,"
                                             "disk_read:probability=0.05:seed=6,disk_write:probability=0.03:seed=7"}),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace lockstep::test
