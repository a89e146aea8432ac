#include "kernels/sample_weights.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <random>

namespace lockstep {
namespace {

TEST(SampleWeights, AreTheExponentialInUnitsOfTwoToTheMinus44) {
  EXPECT_EQ(sample_weight(3.0F, 3.0F, 0.7), kFullWeight);
  for (float x = 0.0F; x > -40.0F; x -= 0.0137F) {
    const double expected = std::exp(static_cast<double>(x) / 0.8) * 0x1p44;
    const auto seen = static_cast<double>(sample_weight(x + 2.0F, 2.0F, 0.8));
    const double error = 1.0 + expected * 1e-6;  // x + 2 is rounded to F32
    ASSERT_NEAR(seen, expected, error) << x;
    ASSERT_LE(seen, 0x1p44);
  }
  // Bits that no machine may change.
  EXPECT_EQ(sample_weight(0.0F, 1.0F, 1.0), 6471803571003U);
  EXPECT_EQ(sample_weight(-3.5F, 10.0F, 0.9), 5381490U);
}

TEST(SampleWeights, ExtremesAreLegal) {
  constexpr float kMost = std::numeric_limits<float>::max();
  EXPECT_EQ(sample_weight(-kMost, kMost, 1.0), 0U);
  EXPECT_EQ(sample_weight(-kMost, kMost, 5e-324), 0U);
  EXPECT_EQ(sample_weight(1.0F, 1.0F, 5e-324), kFullWeight);
  EXPECT_EQ(sample_weight(-kMost, kMost, 1e308), kFullWeight);  // all alike
  for (const double temperature : {1e-30, 1.0, 1e30}) {
    const auto best = static_cast<float>(40.0 * temperature);
    EXPECT_EQ(
        sample_weight(static_cast<float>(best - kWeightlessTemperatures * temperature * 1.0001), best, temperature),
        0U);
    EXPECT_GT(sample_weight(static_cast<float>(best - 30.0 * temperature), best, temperature), 0U);
  }
}

// The product in pieces of 32 bits, the quotient bit by bit.
bool reaches_share(uint64_t mass, uint64_t total, double share) {
  // mass ≥ share · total, both sides scaled until they are integers: mass · 2^n ≥ digits · total.
  int exponent = 0;
  const auto digits = static_cast<uint64_t>(std::ldexp(std::frexp(share, &exponent), 53));
  const int n = 53 - exponent;
  const auto product = static_cast<unsigned __int128>(digits) * total;
  if (n >= 127) return mass > 0 || product == 0;
  // Compared from the top, as mass · 2^n may not fit.
  const auto whole = static_cast<uint64_t>(product >> n);
  const bool has_rest = (product & ((static_cast<unsigned __int128>(1) << n) - 1)) != 0;
  return mass > whole || (mass == whole && !has_rest);
}

TEST(SampleWeights, SharesAreTheLeastIntegerThatReachesThem) {
  EXPECT_EQ(share_of(1000, 1.0), 1000U);
  EXPECT_EQ(share_of(1000, 0.5), 500U);
  EXPECT_EQ(share_of(1001, 0.5), 501U);
  EXPECT_EQ(share_of(10, 0.1), 2U);  // the double is a little more than a tenth
  EXPECT_EQ(share_of(10, 0.3), 3U);  // and this one a little less than three
  EXPECT_EQ(share_of(1000, 0.0), 0U);
  EXPECT_EQ(share_of(1000, -1.0), 0U);
  EXPECT_EQ(share_of(1000, std::numeric_limits<double>::quiet_NaN()), 0U);
  EXPECT_EQ(share_of(1000, 5e-324), 1U);
  EXPECT_EQ(share_of(1000, 1e-30), 1U);
  EXPECT_EQ(share_of(0, 0.7), 0U);
  constexpr uint64_t kMost = (uint64_t{1} << 63) - 1;
  EXPECT_EQ(share_of(kMost, 0x1.fffffffffffffp-1), kMost - 1023);
  std::mt19937_64 engine(3);
  for (int i = 0; i < 20000; ++i) {
    const uint64_t total = (engine() >> 1) >> (engine() % 60);
    const double share = std::ldexp(static_cast<double>(engine() >> 11) * 0x1p-53, -static_cast<int>(engine() % 70));
    const uint64_t least = share_of(total, share);
    ASSERT_LE(least, total);
    ASSERT_TRUE(reaches_share(least, total, share)) << total << " " << share;
    if (least > 0) {
      ASSERT_FALSE(reaches_share(least - 1, total, share)) << total << " " << share;
    }
  }
}

TEST(SampleWeights, TargetsLieBelowTheMassAndFollowPhilox) {
  for (uint64_t position = 0; position < 1000; ++position) {
    ASSERT_EQ(draw_target(uint64_t{1} << 53, 9, position), philox_uniform_bits(9, position));
    ASSERT_EQ(draw_target(1, 9, position), 0U);
    const uint64_t mass = (uint64_t{1} << 63) - 1 - position;
    const uint64_t target = draw_target(mass, 9, position);
    ASSERT_LT(target, mass);
    ASSERT_NEAR(static_cast<double>(target) * 0x1p-63, philox_uniform(9, position), 1e-12);
  }
}

}  // namespace
}  // namespace lockstep
