#include "cache/replay/request_trace.h"

#include "core/error.h"
#include "tests/cache/replay/replay_support.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <set>

namespace lockstep {
namespace {

using Blocks = std::vector<BlockIndex>;

Blocks blocks_of(const RequestTrace& trace, int64_t r) {
  const auto request = trace.request(r);
  return {request.begin(), request.end()};
}

TEST(RequestTraceTest, BlocksAreNamedByTheirWholePrefix) {
  const RequestTrace trace = trace_of({{5, 6, 7}, {5, 6, 8}, {9, 6}, {}});
  EXPECT_EQ(trace.num_requests(), 4);
  EXPECT_EQ(trace.num_accesses(), 8);
  EXPECT_EQ(trace.num_blocks(), 6);
  EXPECT_EQ(trace.num_attainable(), 2);
  EXPECT_EQ(trace.num_ambiguous_ids(), 1);  // 6
  EXPECT_EQ(trace.longest_request(), 3);
  EXPECT_EQ(blocks_of(trace, 1), (Blocks{0, 1, 3}));
  EXPECT_EQ(blocks_of(trace, 2), (Blocks{4, 5}));
  EXPECT_TRUE(blocks_of(trace, 3).empty());
  EXPECT_EQ(trace.parent(3), 1U);
  EXPECT_EQ(trace.parent(4), kNoBlock);
  EXPECT_EQ(trace.depth(3), 2);
  EXPECT_EQ(trace.first_access(2), 6U);
}

TEST(RequestTraceTest, AnIdIsAmbiguousOnceHoweverOftenItIs) {
  EXPECT_EQ(trace_of({{1, 3}, {2, 3}, {4, 3}, {5, 3}}).num_ambiguous_ids(), 1);
  EXPECT_EQ(trace_of({{1, 1, 1}}).num_ambiguous_ids(), 1);
  EXPECT_EQ(trace_of({{1, 1, 1}}).num_blocks(), 3);
}

TEST(RequestTraceTest, KeysDiffer) {
  std::set<Hash128> keys;
  for (BlockIndex block = 0; block < 10000; ++block) keys.insert(RequestTrace::key(block));
  EXPECT_EQ(keys.size(), 10000U);
}

TEST(RequestTraceTest, NextRequestsLookAhead) {
  const RequestTrace trace = trace_of({{1, 2}, {1, 3}, {1, 2}, {4}});
  EXPECT_EQ(next_requests(trace), (std::vector<uint32_t>{1, 2, 2, kNoRequest, kNoRequest, kNoRequest, kNoRequest}));
}

TEST(RequestTraceTest, DepthFirstOrderKeepsSubtreesTogether) {
  //   0: {9}   1: {1,2,3}   2: {9,8}   3: {1}   4: {1,2,4}   5: {}   6: {1,5}
  const RequestTrace trace = trace_of({{9}, {1, 2, 3}, {9, 8}, {1}, {1, 2, 4}, {}, {1, 5}});
  EXPECT_EQ(depth_first_order(trace), (std::vector<int64_t>{5, 3, 1, 4, 6, 0, 2}));
  const RequestTrace sorted = trace.reordered(depth_first_order(trace));
  EXPECT_EQ(sorted.num_accesses(), trace.num_accesses());
  EXPECT_EQ(sorted.num_blocks(), trace.num_blocks());
  // One path's worth of places suffices then.
  EXPECT_EQ(replay_of(sorted, 3, "lru").hits, trace.num_attainable());
  EXPECT_LT(replay_of(trace, 3, "lru").hits, trace.num_attainable());
}

TEST(RequestTraceTest, DepthFirstOrderHoldsEveryRequestOnce) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 50; ++round) {
    const RequestTrace trace = random_trace(random, 12, 20);
    std::vector<int64_t> order = depth_first_order(trace);
    std::sort(order.begin(), order.end());
    for (int64_t r = 0; r < 20; ++r) EXPECT_EQ(order[static_cast<size_t>(r)], r);
  }
}

TEST(RequestTraceTest, AnOrderOfOtherRequestsIsRefused) {
  EXPECT_THROW(trace_of({{1}, {2}}).reordered(std::vector<int64_t>{0}), Error);
}

}  // namespace
}  // namespace lockstep
