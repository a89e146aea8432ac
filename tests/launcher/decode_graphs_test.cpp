// Sizes that graphs are recorded for: few, and none that nothing has room for.
#include "launcher/decode_graphs.h"

#include "core/error.h"

#include <gtest/gtest.h>
#include <set>

namespace lockstep {
namespace {

TEST(DecodeGraphs, ContextsAreRoundedUpToTheLongestSequence) {
  EXPECT_EQ(DecodeGraphs::padded_positions(1, 5000), 512);
  EXPECT_EQ(DecodeGraphs::padded_positions(512, 5000), 512);
  EXPECT_EQ(DecodeGraphs::padded_positions(513, 5000), 1024);
  EXPECT_EQ(DecodeGraphs::padded_positions(4096, 5000), 4096);
  EXPECT_EQ(DecodeGraphs::padded_positions(4097, 5000), 5000);
  EXPECT_EQ(DecodeGraphs::padded_positions(5000, 5000), 5000);
  EXPECT_EQ(DecodeGraphs::padded_positions(1, 100), 100);
  EXPECT_THROW(DecodeGraphs::padded_positions(5001, 5000), Error);
  std::set<int64_t> sizes;
  for (int64_t positions = 1; positions <= 5000; ++positions) {
    sizes.insert(DecodeGraphs::padded_positions(positions, 5000));
  }
  EXPECT_EQ(sizes, (std::set<int64_t>{512, 1024, 2048, 4096, 5000}));
}

TEST(DecodeGraphs, BatchesAreRoundedUpToPowersOfTwoAndTheHalvesBetween) {
  std::set<int64_t> sizes;
  for (int64_t rows = 1; rows <= 64; ++rows) {
    EXPECT_GE(DecodeGraphs::padded(rows), rows);
    sizes.insert(DecodeGraphs::padded(rows));
  }
  EXPECT_EQ(sizes, (std::set<int64_t>{1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64}));
}

}  // namespace
}  // namespace lockstep
