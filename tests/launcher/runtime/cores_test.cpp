#include "launcher/runtime/cores.h"

#include <gtest/gtest.h>
#include <numeric>

namespace lockstep {
namespace {

TEST(CoreShare, RanksOfANodeDivideItsCores) {
  for (const int num_cores : {1, 2, 7, 64}) {
    std::vector<int> node(static_cast<size_t>(num_cores));
    std::iota(node.begin(), node.end(), 100);
    for (int32_t ranks = 1; ranks <= num_cores; ++ranks) {
      std::vector<int> all;
      for (int32_t rank = 0; rank < ranks; ++rank) {
        const CoreShare share = share_of_cores(node, rank, ranks);
        EXPECT_GE(share.cores.size(), static_cast<size_t>(num_cores / ranks));
        all.insert(all.end(), share.cores.begin(), share.cores.end());
      }
      EXPECT_EQ(all, node) << ranks << " ranks";
    }
  }
}

TEST(CoreShare, MoreRanksThanCoresAreNotBound) {
  const CoreShare share = share_of_cores({3, 4}, 2, 4);
  EXPECT_EQ(share.cores, (std::vector<int>{3, 4}));
  EXPECT_NE(share.reason.find("4 ranks"), std::string::npos);
}

TEST(CoreShare, InheritKeepsWhatIsThere) {
  const std::vector<int> before = usable_cores();
  EXPECT_EQ(bind_to_cores("inherit", 0, 1).cores, before);
  EXPECT_EQ(usable_cores(), before);
}

}  // namespace
}  // namespace lockstep
