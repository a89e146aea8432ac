#include "core/philox.h"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

using Words = std::array<uint32_t, 4>;

// Known answers distributed with Random123 (kat_vectors, philox4x32 10).
TEST(Philox, MatchesTheKnownAnswersOfItsAuthors) {
  constexpr uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, UniformUsesTheFirstTwoWordsAsAFraction) {
  EXPECT_EQ(philox_uniform(0, 0), static_cast<double>(0x6627e8d5e169c58dULL >> 11) * 0x1p-53);
  // pi digits again: position and stream fill the counter, the seed fills the key, low words first.
  EXPECT_EQ(philox_uniform(0x299f31d0a4093822ULL, 0x85a308d3243f6a88ULL, 0x0370734413198a2eULL),
            static_cast<double>(0xd16cfe0994fdccebULL >> 11) * 0x1p-53);
}

TEST(Philox, UniformStaysBelowOneAndIsSpreadEvenly) {
  constexpr int kDraws = 20000;
  std::array<int, 10> bins{};
  for (int i = 0; i < kDraws; ++i) {
    const double u = philox_uniform(7, static_cast<uint64_t>(i));
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    ++bins[static_cast<size_t>(u * 10)];
  }
  // 2000 expected a bin, standard deviation 42: seven of them either way.
  for (const int count : bins) EXPECT_NEAR(count, kDraws / 10, 300);
}

TEST(Philox, SeedPositionAndStreamAllMatter) {
  const double base = philox_uniform(1, 2, 3);
  EXPECT_EQ(philox_uniform(1, 2, 3), base);
  EXPECT_NE(philox_uniform(2, 2, 3), base);
  EXPECT_NE(philox_uniform(1, 3, 3), base);
  EXPECT_NE(philox_uniform(1, 2, 4), base);
  EXPECT_NE(philox_uniform(1 + (1ULL << 32), 2, 3), base);
  EXPECT_NE(philox_uniform(1, 2 + (1ULL << 32), 3), base);
  EXPECT_NE(philox_uniform(1, 2, 3 + (1ULL << 32)), base);
}

}  // namespace
}  // namespace lockstep
