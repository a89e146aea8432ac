#include "cache/replay/stack_distance.h"

#include "core/error.h"
#include "tests/cache/replay/replay_support.h"

#include <algorithm>
#include <bit>
#include <gtest/gtest.h>
#include <list>

namespace lockstep {
namespace {

// Popular and rare pages, with changing favourites.
std::vector<BlockIndex> accesses_of(int64_t count, uint64_t num_pages) {
  std::mt19937_64 random(21);
  std::vector<BlockIndex> accesses;
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t within = std::max<uint64_t>(1, num_pages >> (random() % 6));
    accesses.push_back(static_cast<BlockIndex>((random() % within + static_cast<uint64_t>(i) / 1000 * 7) % num_pages));
  }
  return accesses;
}

/// Distances by keeping the stack as a list; -1 for first accesses.
std::vector<int64_t> exact_distances(const std::vector<BlockIndex>& accesses) {
  std::list<BlockIndex> stack;
  std::vector<int64_t> distances;
  for (const BlockIndex page : accesses) {
    const auto at = std::find(stack.begin(), stack.end(), page);
    distances.push_back(at == stack.end() ? -1 : std::distance(stack.begin(), at));
    if (at != stack.end()) stack.erase(at);
    stack.push_front(page);
  }
  return distances;
}

StackDistance run(const std::vector<BlockIndex>& accesses, StackDistance::Options options) {
  StackDistance distances(options);
  for (const BlockIndex page : accesses) distances.access(RequestTrace::key(page));
  return distances;
}

TEST(StackDistanceTest, IsExactAtRateOne) {
  const auto accesses = accesses_of(6000, 400);
  const auto exact = exact_distances(accesses);
  // 400 pages in 500 places: moments are renumbered several times.
  const StackDistance estimator = run(accesses, {.sampling = 0, .max_pages = 500});
  EXPECT_EQ(estimator.sampling(), 0);
  EXPECT_EQ(estimator.num_accesses(), 6000);
  for (int64_t capacity = 0; capacity <= 401; ++capacity) {
    const auto hits = std::count_if(exact.begin(), exact.end(), [&](int64_t d) { return d >= 0 && d < capacity; });
    ASSERT_EQ(estimator.hits(capacity), hits) << capacity << " places";
  }
  EXPECT_EQ(estimator.num_first(), std::count(exact.begin(), exact.end(), -1));
  std::vector<int64_t> octaves(static_cast<size_t>(std::bit_width(400U)) + 1);
  for (const int64_t d : exact) {
    if (d >= 0) ++octaves[static_cast<size_t>(std::bit_width(static_cast<uint64_t>(d)))];
  }
  while (octaves.back() == 0) octaves.pop_back();
  EXPECT_EQ(estimator.histogram(), octaves);
}

TEST(StackDistanceTest, HalvesItsRateWhereItsMemoryEnds) {
  constexpr int64_t kAccesses = 300000;
  const auto accesses = accesses_of(kAccesses, 60000);
  const StackDistance exact = run(accesses, {.sampling = 0, .max_pages = 60000});
  const StackDistance bounded = run(accesses, {.sampling = 0, .max_pages = 8000});
  EXPECT_EQ(exact.sampling(), 0);
  EXPECT_EQ(bounded.sampling(), 3);
  for (const int64_t capacity : {1000, 3000, 10000, 20000, 30000, 40000, 60000}) {
    EXPECT_NEAR(static_cast<double>(bounded.hits(capacity)), static_cast<double>(exact.hits(capacity)),
                0.02 * kAccesses)
        << capacity;
  }
}

TEST(StackDistanceTest, EveryAccessHasADistanceOrIsAFirstOne) {
  const StackDistance estimator = run(accesses_of(300000, 60000), {.sampling = 6, .max_pages = 16384});
  int64_t sum = estimator.num_first();
  for (const int64_t accesses : estimator.histogram()) sum += accesses;
  EXPECT_NEAR(static_cast<double>(sum), 300000.0, 2000.0);  // rounded down for each distance
  EXPECT_LE(sum, 300000);
}

TEST(StackDistanceTest, HitsRiseWithTheCapacityAndStayInRange) {
  const StackDistance estimator = run(accesses_of(20000, 3000), {.sampling = 3, .max_pages = 100});
  int64_t before = 0;
  for (int64_t capacity = 0; capacity < 6000; capacity += 13) {
    EXPECT_GE(estimator.hits(capacity), before);
    before = estimator.hits(capacity);
  }
  EXPECT_LE(before, 20000);
  EXPECT_EQ(estimator.hits(-1), 0);
  EXPECT_EQ(estimator.hits(int64_t{1} << 62), estimator.hits(int64_t{1} << 61));
}

TEST(StackDistanceTest, NothingAccessedIsNothingHit) {
  const StackDistance estimator({.sampling = 7, .max_pages = 16});
  EXPECT_EQ(estimator.hits(100), 0);
  EXPECT_TRUE(estimator.histogram().empty());
}

TEST(StackDistanceTest, RefusesOptionsOutOfRange) {
  EXPECT_THROW(StackDistance({.sampling = -1}), ConfigError);
  EXPECT_THROW(StackDistance({.sampling = 21}), ConfigError);
  EXPECT_THROW(StackDistance({.sampling = 0, .max_pages = 1}), ConfigError);
}

}  // namespace
}  // namespace lockstep
