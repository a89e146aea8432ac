#include "cache/replay/leaf_order.h"

#include "core/error.h"

#include <gtest/gtest.h>
#include <random>
#include <set>
#include <tuple>

namespace lockstep {
namespace {

TEST(LeafOrderTest, IsTheOrderOfASetUnderRandomChanges) {
  constexpr int64_t kBlocks = 200;
  LeafOrder order(kBlocks);
  using Key = std::tuple<uint64_t, int64_t, int64_t, BlockIndex>;
  std::set<Key> expected;
  std::vector<Key> keys(kBlocks);
  std::mt19937_64 random(1);
  for (int64_t step = 0; step < 20000; ++step) {
    const auto block = static_cast<BlockIndex>(random() % kBlocks);
    if (random() % 4 == 0 && !expected.empty()) {
      EXPECT_EQ(order.take_first(), std::get<3>(*expected.begin()));
      expected.erase(expected.begin());
    } else if (order.contains(block)) {
      order.remove(block);
      expected.erase(keys[block]);
    } else {
      const LeafOrder::Leaf leaf{
          .score = random() % 5, .depth = static_cast<int64_t>(random() % 3), .page = step, .block = block};
      order.add(leaf);
      keys[block] = {leaf.score, -leaf.depth, -leaf.page, block};
      expected.insert(keys[block]);
    }
    EXPECT_EQ(order.empty(), expected.empty());
  }
}

TEST(LeafOrderTest, RefusesALeafTwiceAndAnEmptyOrder) {
  LeafOrder order(2);
  EXPECT_THROW(order.take_first(), Error);
  order.add({.block = 1});
  EXPECT_THROW(order.add({.block = 1}), Error);
  order.remove(0);  // not in it: nothing happens
  EXPECT_EQ(order.take_first(), 1U);
}

}  // namespace
}  // namespace lockstep
