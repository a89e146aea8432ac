#include "core/thread_pool.h"

#include "core/error.h"

#include <atomic>
#include <chrono>
#include <gtest/gtest.h>
#include <thread>
#include <vector>

namespace lockstep {
namespace {

class ThreadPoolTest : public testing::TestWithParam<int> {};

TEST_P(ThreadPoolTest, CoversEveryIndexOnceForAnyCountAndGrain) {
  ThreadPool pool(GetParam());
  for (const int64_t count : {0, 1, 2, 7, 64, 1000}) {
    for (const int64_t grain : {1, 3, 16, 5000}) {
      std::vector<std::atomic<int>> visits(static_cast<size_t>(count));
      pool.parallel_for(count, grain, [&](int64_t begin, int64_t end) {
        EXPECT_EQ(begin % grain, 0);
        EXPECT_TRUE(end == count || end % grain == 0);
        for (int64_t i = begin; i < end; ++i) ++visits[static_cast<size_t>(i)];
      });
      for (const auto& visit : visits) EXPECT_EQ(visit, 1);
    }
  }
}

TEST_P(ThreadPoolTest, ManyShortJobsAndJobsAfterSleepFinish) {
  ThreadPool pool(GetParam());
  std::atomic<int64_t> sum{0};
  for (int job = 0; job < 3000; ++job) {
    pool.parallel_for(16, 1, [&](int64_t begin, int64_t end) { sum += end - begin; });
    if (job % 1000 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(20));  // workers fall asleep
  }
  EXPECT_EQ(sum, 3000 * 16);
}

TEST_P(ThreadPoolTest, RethrowsAndStaysUsable) {
  ThreadPool pool(GetParam());
  EXPECT_THROW(
      pool.parallel_for(100, 1, [](int64_t begin, int64_t end) { LS_CHECK(begin > 50 || end < 50, "index 50"); }),
      Error);
  std::atomic<int64_t> sum{0};
  pool.parallel_for(100, 1, [&](int64_t begin, int64_t end) { sum += end - begin; });
  EXPECT_EQ(sum, 100);
}

INSTANTIATE_TEST_SUITE_P(Threads, ThreadPoolTest, testing::Values(1, 2, 3, 8));

TEST(ThreadPool, RefusesZeroThreads) { EXPECT_THROW(ThreadPool(0), ConfigError); }

}  // namespace
}  // namespace lockstep
