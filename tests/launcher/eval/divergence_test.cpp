// Against sums written out by hand.
#include "launcher/eval/divergence.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>
#include <vector>

namespace lockstep {
namespace {

using Logits = std::vector<float>;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(Divergence, LogSumExpOfKnownSums) {
  EXPECT_DOUBLE_EQ(log_sum_exp(Logits{0.0F, 0.0F, 0.0F, 0.0F}), std::log(4.0));
  EXPECT_DOUBLE_EQ(log_sum_exp(Logits{1000.0F, 1000.0F}), 1000.0 + std::log(2.0));  // no overflow
  EXPECT_DOUBLE_EQ(log_sum_exp(Logits{-1000.0F, 0.0F}), 0.0);
  EXPECT_FALSE(std::isfinite(log_sum_exp(Logits{0.0F, kInfinity})));
  EXPECT_FALSE(std::isfinite(log_sum_exp(Logits{0.0F, std::nanf("")})));
}

// p = (3/4, 1/4), q = (1/2, 1/2): 3/4 ln(3/2) + 1/4 ln(1/2). The other way round it is another number.
TEST(Divergence, KlOfTwoTokens) {
  const auto three = static_cast<float>(std::log(3.0));
  const Logits p{three, 0.0F}, q{7.0F, 7.0F};
  EXPECT_NEAR(kl_divergence(p, q), 0.75 * std::log(1.5) + 0.25 * std::log(0.5), 1e-7);
  EXPECT_NEAR(kl_divergence(q, p), 0.5 * std::log(2.0 / 3.0) + 0.5 * std::log(2.0), 1e-7);
}

TEST(Divergence, EqualLogitsAreExactlyZeroApartAndShiftedOnesNearly) {
  const Logits some{0.3F, -7.5F, 12.25F, 3.0F};
  Logits shifted = some;
  for (float& logit : shifted) logit += 16.0F;
  EXPECT_EQ(kl_divergence(some, some), 0.0);
  EXPECT_NEAR(kl_divergence(some, shifted), 0.0, 1e-12);
}

TEST(Divergence, TokensWithoutWeightCountForNothing) {
  EXPECT_NEAR(kl_divergence(Logits{0.0F, -kInfinity}, Logits{0.0F, 0.0F}), std::log(2.0), 1e-12);
  EXPECT_EQ(kl_divergence(Logits{0.0F, 0.0F}, Logits{0.0F, -kInfinity}), std::numeric_limits<double>::infinity());
}

TEST(Divergence, SumsKeepMeanMaximumAndAgreement) {
  DivergenceSum sum, one;
  EXPECT_EQ(sum.mean(), 0.0);
  const Logits p{static_cast<float>(std::log(3.0)), 0.0F}, even{0.0F, 0.0F}, other{0.0F, 1.0F};
  sum.add(p, p);
  sum.add(p, even);  // of equals the first is the best
  one.add(p, other);
  const double first = kl_divergence(p, even), second = kl_divergence(p, other);
  sum.add(one);
  EXPECT_EQ(sum.num_tokens, 3);
  EXPECT_EQ(sum.same_best, 2);
  EXPECT_DOUBLE_EQ(sum.mean(), (first + second) / 3.0);
  EXPECT_EQ(sum.largest, second);
}

}  // namespace
}  // namespace lockstep
