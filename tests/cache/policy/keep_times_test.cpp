#include "cache/policy/keep_times.h"

#include "core/error.h"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

TEST(AgeBucketsTest, CoverAllAgesWithoutGaps) {
  for (size_t b = 0; b < kNumAgeBuckets; ++b) {
    EXPECT_EQ(age_bucket(age_bucket_begin(b)), b);
    EXPECT_EQ(age_bucket(age_bucket_begin(b + 1) - 1), b);
  }
  EXPECT_EQ(age_bucket(~uint64_t{0}), kNumAgeBuckets - 1);
}

// `count` pages of the class begin; of 100 of them `hits` are reused at `age`, the others waited for until `until`.
void begin(KeepTimes& times, size_t page_class, int64_t count, int64_t hits, uint64_t age, uint64_t until) {
  for (int64_t i = 0; i < count; ++i) {
    times.began(page_class);
    if (i % 100 < hits) {
      times.reused(page_class, age);
    } else {
      times.given_up(page_class, until);
    }
  }
}

TEST(KeepTimesTest, KeepNothingBeforeTheyLearn) {
  KeepTimes times({1, 1});
  begin(times, 0, 100, 50, 10, 1000);
  EXPECT_EQ(times.keep_time(0, 0), 0U);
}

TEST(KeepTimesTest, KeepAClassUntilItsReuseIsOverAndAScanNotAtAll) {
  KeepTimes times({1, 1});
  begin(times, 0, 1000, 80, 10, 5000);  // 10 units of time per hit, and a little
  begin(times, 1, 1000, 0, 0, 5000);    // a scan
  // One page of each class a unit of time; 12 places hold class 0 to its reuse, not more.
  times.learn(12, 1000);
  for (const uint64_t draw : {0, 1000}) {
    EXPECT_GT(times.keep_time(0, draw), 10U);
    EXPECT_LT(times.keep_time(0, draw), 20U);
    EXPECT_EQ(times.keep_time(1, draw), 0U);
  }
}

TEST(KeepTimesTest, ASmallCacheIsForTheClassWithMoreHitsForItsTime) {
  const auto keeps = [](std::vector<int64_t> costs) {
    KeepTimes times(std::move(costs));
    begin(times, 0, 1000, 60, 100, 100);
    begin(times, 1, 1000, 20, 10, 10);
    times.learn(10, 1000);
    return std::pair(times.keep_time(0, 1023), times.keep_time(1, 1023));
  };
  // 10 places: 20 hits of 100 pages for 10 units each, or 60 for 100 each.
  EXPECT_EQ(keeps({1, 1}).first, 0U);
  EXPECT_GT(keeps({1, 1}).second, 10U);
  // A hit that saves much more is worth the longer wait: only a share of its pages fits.
  EXPECT_EQ(keeps({100, 1}).second, 0U);
}

TEST(KeepTimesTest, KeepAShareOfAClassThatDoesNotFit) {
  KeepTimes times({1});
  begin(times, 0, 10000, 100, 1000, 0);  // a loop of 10,000 pages, 10 a unit of time
  times.learn(2500, 1000);
  int64_t longer = 0;
  for (uint64_t draw = 0; draw < 1024; ++draw) longer += times.keep_time(0, draw) > 1000 ? 1 : 0;
  EXPECT_NEAR(static_cast<double>(longer) / 1024.0, 0.25, 0.01);
}

TEST(KeepTimesTest, PagesThatStillWaitCountOnce) {
  const auto keep_after = [](int64_t waiting) {
    KeepTimes times({1});
    begin(times, 0, 100, 100, 10, 0);
    for (int64_t i = 0; i < 100 * waiting; ++i) times.began(0);
    if (waiting > 0) times.waiting(0, 1000, 100 * waiting);
    times.learn(5, 100);
    return times;
  };
  // Alone, every page is reused at 10, and half of the pages are kept to it; beside 50 that are not, hits cost more
  // time than there is, so the same share of places holds fewer.
  KeepTimes sure = keep_after(0), unsure = keep_after(50);
  const auto share = [](const KeepTimes& times) {
    int64_t longer = 0;
    for (uint64_t draw = 0; draw < 1024; ++draw) longer += times.keep_time(0, draw) > 10 ? 1 : 0;
    return longer;
  };
  EXPECT_GT(share(sure), 400);
  EXPECT_LT(share(unsure), 40);
  // They were told for one time of learning.
  sure.learn(5, 100);
  KeepTimes forgotten = keep_after(0);
  forgotten.waiting(0, 1000, 5000);
  forgotten.learn(5, 100);
  forgotten.learn(5, 100);
  EXPECT_EQ(share(forgotten), share(sure));
}

TEST(KeepTimesTest, DecayForgetsTheOlderHalf) {
  KeepTimes times({1});
  begin(times, 0, 1000, 100, 10, 0);
  EXPECT_EQ(times.num_began(), 1000);
  times.decay();
  EXPECT_EQ(times.num_began(), 500);
  for (int i = 0; i < 12; ++i) times.decay();
  EXPECT_EQ(times.num_began(), 0);
  times.learn(100, 1);  // nothing known: nothing changes
  EXPECT_EQ(times.keep_time(0, 0), 0U);
}

TEST(KeepTimesTest, DoNotOverflow) {
  KeepTimes times(std::vector<int64_t>(2, KeepTimes::kMaxCost));
  for (size_t c = 0; c < 2; ++c) {
    for (int64_t i = 0; i < 1000; ++i) {
      times.began(c);
      times.given_up(c, ~uint64_t{0});
    }
    times.reused(c, ~uint64_t{0});
    times.waiting(c, ~uint64_t{0}, int64_t{1} << 22);
  }
  times.learn(int64_t{1} << 40, ~uint64_t{0});
  times.learn(1, 1);
  EXPECT_LE(times.keep_time(0, 0), kMaxAge + 1);
}

TEST(KeepTimesTest, RefuseCostsOutOfRange) {
  EXPECT_THROW(KeepTimes(std::vector<int64_t>{}), Error);
  EXPECT_THROW(KeepTimes({0}), Error);
  EXPECT_THROW(KeepTimes({KeepTimes::kMaxCost + 1}), Error);
}

}  // namespace
}  // namespace lockstep
