// The published conversation trace (12,031 requests), in arrival order. Skipped where the data are not at hand.
#include "cache/replay/stack_distance.h"
#include "tests/cache/replay/replay_support.h"

#include <gtest/gtest.h>
#include <set>
#include <utility>

namespace lockstep {
namespace {

double percent(int64_t hits, const RequestTrace& trace) {
  return 100.0 * static_cast<double>(hits) / static_cast<double>(trace.num_accesses());
}

/// Belady's MIN for single blocks: any block may leave, none has to enter, chains do not count. Above every policy.
int64_t belady_hits(const RequestTrace& trace, size_t capacity) {
  const auto next = next_requests(trace);
  std::set<std::pair<uint32_t, BlockIndex>> cached;  // by next request
  std::vector<uint32_t> next_of(static_cast<size_t>(trace.num_blocks()), 0);
  int64_t hits = 0;
  for (int64_t r = 0; r < trace.num_requests(); ++r) {
    size_t access = trace.first_access(r);
    for (const BlockIndex block : trace.request(r)) {
      hits += static_cast<int64_t>(cached.erase({next_of[block], block}));
      next_of[block] = next[access++];
      if (next_of[block] == kNoRequest) continue;
      cached.emplace(next_of[block], block);
      if (cached.size() > capacity) cached.erase(std::prev(cached.end()));
    }
  }
  return hits;
}

class MooncakeTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(mooncake_path())) GTEST_SKIP() << mooncake_path() << " is not there";
    trace_ = mooncake_trace();
  }
  double rate(int64_t capacity, const char* policy, bool knows_future = false) const {
    return percent(replay_of(trace_, capacity, policy, knows_future).hits, trace_);
  }
  RequestTrace trace_;
};

TEST_F(MooncakeTest, ItsIdsFormATree) {
  EXPECT_EQ(trace_.num_requests(), 12031);
  EXPECT_EQ(trace_.num_accesses(), 288500);
  EXPECT_EQ(trace_.num_ambiguous_ids(), 0);
  EXPECT_NEAR(percent(trace_.num_attainable(), trace_), 36.64, 0.005);
}

TEST_F(MooncakeTest, KnownRatesAtTenThousandBlocks) {
  EXPECT_NEAR(rate(10000, "lru"), 21.1, 0.3);
  EXPECT_NEAR(rate(10000, "lfu"), 13.2, 0.3);
  EXPECT_NEAR(rate(10000, "adaptive", true), 36.6, 0.05);
}

TEST_F(MooncakeTest, KnownFutureReachesBelady) {
  for (const int64_t capacity : {1000, 3000, 10000, 30000}) {
    const double bound = percent(belady_hits(trace_, static_cast<size_t>(capacity)), trace_);
    const double known = rate(capacity, "adaptive", true);
    EXPECT_LE(known, bound + 1e-9) << capacity;
    // A request has to hold its whole chain, which costs a small cache something.
    EXPECT_GT(known, bound - (capacity < 10000 ? 1.5 : 0.05)) << capacity;
  }
}

TEST_F(MooncakeTest, AdaptiveIsAboveLruAndLfu) {
  for (const int64_t capacity : {1000, 3000, 10000, 30000}) {
    const double adaptive = rate(capacity, "adaptive");
    EXPECT_GT(adaptive, rate(capacity, "lru") + 0.3) << capacity;
    EXPECT_GT(adaptive, rate(capacity, "lfu") + 0.3) << capacity;
  }
}

TEST_F(MooncakeTest, StackDistancesGiveLruForEverySize) {
  const auto run = [&](int sampling) {
    StackDistance distances({.sampling = sampling, .max_pages = int64_t{1} << 18});
    for (int64_t r = 0; r < trace_.num_requests(); ++r) {
      for (const BlockIndex block : trace_.request(r)) distances.access(RequestTrace::key(block));
    }
    return distances;
  };
  const StackDistance exact = run(0);
  // LRU block by block, worked out independently of this code.
  EXPECT_EQ(exact.hits(10000), 60921);
  EXPECT_EQ(exact.num_first(), trace_.num_blocks());
  EXPECT_EQ(exact.hits(trace_.num_blocks()), trace_.num_attainable());
  for (const auto& [sampling, error] : {std::pair(3, 0.5), std::pair(5, 0.75), std::pair(7, 1.5)}) {
    const StackDistance sampled = run(sampling);
    for (const int64_t capacity : {1000, 3000, 10000, 30000, 100000}) {
      EXPECT_NEAR(percent(sampled.hits(capacity), trace_), percent(exact.hits(capacity), trace_), error)
          << "one of 2^" << sampling << ", " << capacity;
    }
  }
}

}  // namespace
}  // namespace lockstep
