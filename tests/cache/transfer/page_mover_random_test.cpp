// Ten thousand random plans over pools of a few slots, with random delays in all threads: no computation sees a wrong
// byte, with and without faults.
#include "tests/cache/transfer/random_plans.h"

#include <atomic>
#include <chrono>
#include <gtest/gtest.h>
#include <thread>

namespace lockstep::test {
namespace {

constexpr const char* kDelays =
    "delay:ms=0.05:probability=0.3:seed=1,delay:ms=0.3:probability=0.1:seed=2,delay:ms=1:probability=0.02:seed=3";

struct RandomCase {
  const char* name;
  bool async_compute;
  int64_t workers;
  const char* faults;
};

class PageMoverRandom : public testing::TestWithParam<RandomCase> {};

TEST_P(PageMoverRandom, NobodySeesAWrongByte) {
  const RandomCase& one = GetParam();
  std::atomic<uint64_t> batches{0};  // outlives the mover
  const bool has_faults = *one.faults != '\0';
  Rig rig(
      {.async_compute = one.async_compute,
       .faults = std::string(kDelays) + one.faults,
       .mover = {.workers = one.workers, .timeout = std::chrono::minutes(5), .piece_bytes = 1, .disk_batch_pages = 3}});
  rig.file.before_batch = [&] {
    if (batches.fetch_add(1) % 7 == 0) std::this_thread::sleep_for(std::chrono::microseconds(300));
  };
  const RandomCounts counts = RandomPlans(rig, 17, one.async_compute ? 3 : 1).run(10'000);
  EXPECT_EQ(counts.wrong, 0);
  EXPECT_GT(counts.checks, 10'000);
  for (const int64_t transfers : counts.transfers) EXPECT_GT(transfers, 300);
  EXPECT_GT(counts.reused_in_plan, 1000);
  EXPECT_GT(counts.confirmed, 1000);
  EXPECT_EQ(counts.failures > 100, has_faults) << counts.failures;
  EXPECT_EQ(counts.failed_confirms > 10, has_faults) << counts.failed_confirms;
}

INSTANTIATE_TEST_SUITE_P(
    All, PageMoverRandom,
    testing::Values(RandomCase{"OneWorker", false, 1, ""}, RandomCase{"ThreeWorkers", false, 3, ""},
                    RandomCase{"ComputeOnAThread", true, 2, ""},
                    RandomCase{"Faults", false, 2,
                               ",host_copy:probability=0.03:seed=4,host_copy:channel=to_device:probability=0.1:seed=8,"
                               "bit_flip:probability=0.05:seed=5,"
                               "disk_read:probability=0.05:seed=6,disk_write:probability=0.03:seed=7,"
                               "enospc:every=50,vanish:every=41"}),
    [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace lockstep::test
