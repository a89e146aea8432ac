// `adaptive` with the known future against the best that any sequence of evictions can do, found by trying all.
#include "tests/cache/replay/replay_support.h"

#include <algorithm>
#include <bit>
#include <gtest/gtest.h>
#include <map>

namespace lockstep {
namespace {

using BlockSet = uint32_t;

BlockSet bit(BlockIndex block) { return BlockSet{1} << block; }

bool is_closed(const RequestTrace& trace, BlockSet set) {
  for (BlockIndex block = 0; block < static_cast<BlockIndex>(trace.num_blocks()); ++block) {
    const BlockIndex parent = trace.parent(block);
    if ((set & bit(block)) != 0 && parent != kNoBlock && (set & bit(parent)) == 0) return false;
  }
  return true;
}

/// The most hits over all leaf-only evictions, whenever they happen: dynamic programming over the sets of blocks that
/// can be cached. With `may_bypass` a request may compute a block without a place for it.
int64_t most_hits(const RequestTrace& trace, int64_t capacity, bool may_bypass) {
  std::map<BlockSet, int64_t> states{{0, 0}};
  for (int64_t r = 0; r < trace.num_requests(); ++r) {
    const auto whole = trace.request(r);
    const auto chain = whole.first(std::min(whole.size(), static_cast<size_t>(capacity)));
    BlockSet held = 0, all = 0;
    for (const BlockIndex block : chain) held |= bit(block);
    for (const BlockIndex block : whole) all |= bit(block);
    std::map<BlockSet, int64_t> next;
    for (const auto& [cached, hits_before] : states) {
      // Sets along a chain are closed, so what is cached of it is its prefix.
      const int64_t hits = hits_before + std::popcount(cached & all);
      const BlockSet available = cached | (may_bypass ? all : held);
      for (BlockSet kept = available;; kept = (kept - 1) & available) {
        const BlockSet needs_places = may_bypass ? kept : kept | held;
        if (std::popcount(needs_places) <= capacity && is_closed(trace, kept)) {
          auto& best = next[kept];
          best = std::max(best, hits);
        }
        if (kept == 0) break;
      }
    }
    states = std::move(next);
  }
  int64_t most = 0;
  for (const auto& [cached, hits] : states) most = std::max(most, hits);
  return most;
}

TEST(OptimalTest, KnownFutureIsTheBestOfAllLeafOnlyEvictions) {
  std::mt19937_64 random(11);
  int64_t num_pressed = 0, num_bypass_better = 0, num_lru_worse = 0;
  for (int round = 0; round < 1500; ++round) {
    const auto num_nodes = static_cast<int64_t>(5 + random() % 4);
    const RequestTrace trace = random_trace(random, num_nodes, static_cast<int64_t>(8 + random() % 7));
    const auto capacity = static_cast<int64_t>(2 + random() % static_cast<uint64_t>(num_nodes - 3));
    const ReplayCounts counts = replay_of(trace, capacity, "adaptive", true);
    ASSERT_EQ(counts.hits, most_hits(trace, capacity, false)) << "round " << round << ", " << capacity << " places";
    const int64_t with_bypass = most_hits(trace, capacity, true);
    ASSERT_LE(counts.hits, with_bypass);
    num_pressed += counts.evictions > 0 ? 1 : 0;
    num_bypass_better += counts.hits < with_bypass ? 1 : 0;
    num_lru_worse += replay_of(trace, capacity, "lru").hits < counts.hits ? 1 : 0;
  }
  // The traces are no trivial ones: there is something to choose, and holding a request's chain costs hits.
  EXPECT_GT(num_pressed, 900);
  EXPECT_GT(num_lru_worse, 300);
  EXPECT_GT(num_bypass_better, 100);
}

TEST(OptimalTest, NoPolicyBeatsIt) {
  std::mt19937_64 random(12);
  for (int round = 0; round < 60; ++round) {
    const RequestTrace trace = random_trace(random, 80, 400);
    const auto capacity = static_cast<int64_t>(5 + random() % 60);
    const int64_t best = replay_of(trace, capacity, "adaptive", true).hits;
    EXPECT_EQ(replay_of(trace, capacity, "compressed", true).hits, best);
    for (const char* policy : {"lru", "lfu", "fifo", "adaptive", "compressed"}) {
      EXPECT_LE(replay_of(trace, capacity, policy).hits, best) << policy;
    }
    EXPECT_LE(best, trace.num_attainable());
  }
}

}  // namespace
}  // namespace lockstep
