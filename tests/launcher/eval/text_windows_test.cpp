#include "launcher/eval/text_windows.h"

#include "tests/support/expect_throw.h"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

using Ids = std::vector<int32_t>;

std::vector<TokenId> count_up(int32_t count) {
  std::vector<TokenId> tokens;
  for (int32_t i = 1; i <= count; ++i) tokens.emplace_back(i);
  return tokens;
}

Ids ids(const std::vector<TokenId>& tokens) {
  Ids ids;
  for (const TokenId token : tokens) ids.push_back(token.value());
  return ids;
}

TEST(TextWindows, EveryTokenIsScoredOnceBehindABeginningToken) {
  const auto windows = cut_windows(count_up(7), TokenId(0), 4, 0);
  ASSERT_EQ(windows.size(), 3U);
  EXPECT_EQ(ids(windows[0].prompt), (Ids{0}));
  EXPECT_EQ(ids(windows[0].tokens), (Ids{1, 2, 3}));
  EXPECT_EQ(ids(windows[1].prompt), (Ids{0}));
  EXPECT_EQ(ids(windows[1].tokens), (Ids{4, 5, 6}));
  EXPECT_EQ(ids(windows[2].tokens), (Ids{7}));
}

TEST(TextWindows, WithoutOneTheFirstTokenIsGiven) {
  const auto windows = cut_windows(count_up(9), std::nullopt, 4, 0);
  ASSERT_EQ(windows.size(), 2U);  // the ninth token has none behind it
  EXPECT_EQ(ids(windows[1].prompt), (Ids{5}));
  EXPECT_EQ(ids(windows[1].tokens), (Ids{6, 7, 8}));
}

TEST(TextWindows, ContextIsGiven) {
  const auto windows = cut_windows(count_up(11), TokenId(0), 6, 3);
  ASSERT_EQ(windows.size(), 2U);  // the last token alone is less than the context
  EXPECT_EQ(ids(windows[0].prompt), (Ids{0, 1, 2, 3}));
  EXPECT_EQ(ids(windows[0].tokens), (Ids{4, 5}));
  EXPECT_EQ(ids(windows[1].prompt), (Ids{0, 6, 7, 8}));
  EXPECT_EQ(ids(windows[1].tokens), (Ids{9, 10}));
}

TEST(TextWindows, NothingToScore) {
  EXPECT_TRUE(cut_windows(count_up(1), std::nullopt, 4, 0).empty());
  testing_support::expect_throw<ConfigError>([] { cut_windows(count_up(9), TokenId(0), 4, 3); },
                                             {"window = 4, context = 3"});
}

}  // namespace
}  // namespace lockstep
