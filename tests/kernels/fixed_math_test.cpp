#include "kernels/fixed_math.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>

namespace lockstep {
namespace {

constexpr double kUlp = std::numeric_limits<double>::epsilon();

TEST(FixedMath, ExponentialIsWithinTwoUlp) {
  for (double x = 0.0; x > -700.0; x -= 0.0137) {
    const auto expected = static_cast<double>(std::exp(static_cast<long double>(x)));
    ASSERT_NEAR(exp_nonpositive(x) / expected, 1.0, 2 * kUlp) << x;
  }
  EXPECT_EQ(exp_nonpositive(0.0), 1.0);
  for (const double x : {-709.0, -710.0, -1e9, -1e300}) EXPECT_EQ(exp_nonpositive(x), 0.0) << x;
  EXPECT_EQ(exp_nonpositive(-std::numeric_limits<double>::infinity()), 0.0);
  EXPECT_EQ(exp_nonpositive(std::numeric_limits<double>::quiet_NaN()), 0.0);
}

TEST(FixedMath, LogarithmIsWithinTwoUlp) {
  for (double x = 0x1p-1000; x < 0x1p1000; x *= 1.0173) {
    const auto expected = static_cast<double>(std::log(static_cast<long double>(x)));
    ASSERT_NEAR(log_positive(x), expected, 2 * kUlp * std::abs(expected)) << x;
  }
  for (double x = 0.6; x < 1.6; x += 0.000737) {  // where it is near 0
    const auto expected = static_cast<double>(std::log(static_cast<long double>(x)));
    ASSERT_NEAR(log_positive(x), expected, 2 * kUlp * std::abs(expected)) << x;
  }
  EXPECT_EQ(log_positive(1.0), 0.0);
}

// Bits that no change of compiler, library or machine may change: draws and scores depend on them.
TEST(FixedMath, TheBitsAreThese) {
  EXPECT_EQ(exp_nonpositive(-1.0), 0x1.78b56362cef38p-2);
  EXPECT_EQ(exp_nonpositive(-12.34), 0x1.257c2c1ce3704p-18);
  EXPECT_EQ(log_positive(2.0), 0x1.62e42fefa39efp-1);
  EXPECT_EQ(log_positive(128256.0), 0x1.786087e2da908p+3);
}

}  // namespace
}  // namespace lockstep
