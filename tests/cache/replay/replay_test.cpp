#include "cache/replay/replay.h"

#include "core/error.h"
#include "tests/cache/replay/replay_support.h"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

TEST(ReplayTest, CountsTheCachedPrefix) {
  const ReplayCounts counts = replay_of(trace_of({{1, 2, 3}, {1, 2, 4}, {1, 5}, {1, 2, 3}}), 100, "lru");
  EXPECT_EQ(counts, (ReplayCounts{.accesses = 11, .hits = 6, .evictions = 0, .returns = 0}));
}

TEST(ReplayTest, OnlyLeavesLeaveAndNothingThatTheRequestHolds) {
  // {1,2} then {3}: 2 is the leaf and leaves although 1 is as old; {1,4} finds 1 and takes the place of 3, not of 1.
  const ReplayCounts counts = replay_of(trace_of({{1, 2}, {3}, {1, 4}, {1, 2}}), 2, "lru");
  EXPECT_EQ(counts, (ReplayCounts{.accesses = 7, .hits = 2, .evictions = 3, .returns = 1}));
}

TEST(ReplayTest, AChainLongerThanTheCacheEntersAsFarAsThereIsRoom) {
  const ReplayCounts counts = replay_of(trace_of({{1, 2, 3, 4}, {1, 2, 3, 4}}), 3, "lru");
  EXPECT_EQ(counts, (ReplayCounts{.accesses = 8, .hits = 3, .evictions = 0, .returns = 0}));
}

TEST(ReplayTest, LfuForgetsCountsOnEviction) {
  // 1 is read three times and leaves only for want of another page; back again it counts as new and loses against 2.
  const auto trace = trace_of({{1}, {1}, {1}, {2}, {2}, {2}, {2}, {3}, {1}, {4}, {2}});
  // 3 takes 1's place (3 readers against 4), 1 takes 3's, 4 takes 1's: 2 stays.
  EXPECT_EQ(replay_of(trace, 2, "lfu"), (ReplayCounts{.accesses = 11, .hits = 6, .evictions = 3, .returns = 1}));
}

TEST(ReplayTest, TellsThePolicyEverythingInOrder) {
  struct Spy : EvictionPolicy {
    uint64_t score(const PageFacts& page) const override {
      log += fmt::format(" s{}", page.page.value());
      return page.last_use;
    }
    void inserted(const PageFacts& page) override {
      log += fmt::format(" +{}@{}/{}", page.page.value(), page.inserted, page.depth);
    }
    void used(const PageFacts& page, uint64_t now) override {
      log += fmt::format(" u{}@{}:{}x{}", page.page.value(), now, page.last_use, page.num_uses);
    }
    void evicted(const PageFacts& page, uint64_t now) override {
      log += fmt::format(" -{}@{}", page.page.value(), now);
    }
    mutable std::string log;
  } spy;
  const RequestTrace trace = trace_of({{1, 2}, {1, 3}, {4}});
  const ReplayCounts counts = replay(trace, 2, spy, {});
  EXPECT_EQ(spy.log, " +0@0/0 +1@0/1 s1 u0@1:0x1 -1@1 +2@1/1 s2 -2@2 s0 +3@2/0 s3");
  EXPECT_EQ(counts.hits, 1);
}

TEST(ReplayTest, EqualRunsAreEqual) {
  std::mt19937_64 random(5);
  const RequestTrace trace = random_trace(random, 300, 4000);
  for (const char* policy : {"lru", "lfu", "fifo", "adaptive", "compressed"}) {
    EXPECT_EQ(replay_of(trace, 60, policy), replay_of(trace, 60, policy)) << policy;
  }
}

TEST(ReplayTest, ReportsProgress) {
  std::mt19937_64 random(5);
  const RequestTrace trace = random_trace(random, 5, 10000);
  std::vector<int64_t> reports;
  const auto policy = make_eviction_policy("lru", false);
  replay(trace, 3, *policy, {}, [&](int64_t done) { reports.push_back(done); });
  EXPECT_EQ(reports, (std::vector<int64_t>{4096, 8192}));
}

TEST(ReplayTest, RefusesWhatDoesNotFit) {
  const RequestTrace trace = trace_of({{1, 2}});
  const auto policy = make_eviction_policy("lru", false);
  EXPECT_THROW(replay(trace, 0, *policy, {}), Error);
  EXPECT_THROW(replay(trace, 1, *policy, std::vector<uint32_t>{0}), Error);
}

}  // namespace
}  // namespace lockstep
