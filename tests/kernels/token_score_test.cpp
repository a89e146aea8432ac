#include "kernels/token_score.h"

#include "core/error.h"
#include "tests/kernels/op_support.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace lockstep::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/// Log-softmax as the textbook has it.
std::vector<double> log_softmax(const std::vector<float>& logits) {
  long double largest = -std::numeric_limits<long double>::infinity(), sum = 0.0L;
  for (const float x : logits) largest = std::max(largest, static_cast<long double>(x));
  for (const float x : logits) sum += std::exp(static_cast<long double>(x) - largest);
  std::vector<double> out;
  for (const float x : logits)
    out.push_back(static_cast<double>(static_cast<long double>(x) - largest - std::log(sum)));
  return out;
}

TEST(TokenScore, EqualsLogSoftmax) {
  for (const int64_t vocab : {1, 2, 7, 8, 9, 157, 5003}) {
    for (const float scale : {0.01F, 1.0F, 30.0F}) {
      const std::vector<float> logits = random_floats(vocab, static_cast<uint64_t>(vocab), scale);
      const std::vector<double> expected = log_softmax(logits);
      for (size_t token = 0; token < logits.size(); token += 1 + logits.size() / 50) {
        const TokenScore score = score_token(logits, TokenId(static_cast<int32_t>(token)), 0);
        ASSERT_NEAR(score.logprob, expected[token], 1e-7 * std::max(1.0, std::abs(expected[token])));
        EXPECT_EQ(score.token.value(), static_cast<int32_t>(token));
        EXPECT_TRUE(score.top.empty());
        const auto above = std::count_if(logits.begin(), logits.end(), [&](float x) { return x > logits[token]; });
        EXPECT_EQ(score.rank, above + 1);
      }
    }
  }
}

TEST(TokenScore, TopTokensDescendWithTiesByAscendingId) {
  std::vector<float> logits = random_floats(400, 5);
  for (float& x : logits) x = std::round(x * 4.0F) / 4.0F;  // many ties
  std::vector<std::pair<float, int32_t>> order;
  for (size_t i = 0; i < logits.size(); ++i) order.emplace_back(-logits[i], static_cast<int32_t>(i));
  std::sort(order.begin(), order.end());
  const std::vector<double> expected = log_softmax(logits);
  for (const int32_t count : {1, 2, 20, 399, 400, 1000}) {
    const TokenScore score = score_token(logits, TokenId(3), count);
    ASSERT_EQ(score.top.size(), static_cast<size_t>(std::min(count, 400)));
    for (size_t i = 0; i < score.top.size(); ++i) {
      ASSERT_EQ(score.top[i].token.value(), order[i].second) << i << " of " << count;
      ASSERT_NEAR(score.top[i].logprob, expected[static_cast<size_t>(order[i].second)], 1e-6);
    }
  }
  // A token among the top has the same bits there.
  const TokenScore best = score_token(logits, TokenId(order[0].second), 1);
  EXPECT_EQ(best.logprob, best.top[0].logprob);
  EXPECT_EQ(best.rank, 1);
}

TEST(TokenScore, TokensOfEqualLogitShareTheBestRank) {
  const std::vector<float> logits = {1.0F, 3.0F, 3.0F, 2.0F};
  const int32_t ranks[] = {4, 1, 1, 3};
  for (int32_t token = 0; token < 4; ++token) EXPECT_EQ(score_token(logits, TokenId(token), 0).rank, ranks[token]);
}

TEST(TokenScore, MinusInfinityIsImpossibleAndLegal) {
  const TokenScore impossible = score_token(std::vector<float>{0.0F, -kInfinity, 0.0F}, TokenId(1), 3);
  EXPECT_EQ(impossible.logprob, -kInfinity);
  EXPECT_EQ(impossible.rank, 3);
  ASSERT_EQ(impossible.top.size(), 3U);
  EXPECT_NEAR(impossible.top[0].logprob, -std::log(2.0), 1e-7);
  EXPECT_EQ(impossible.top[2].token, TokenId(1));
}

TEST(TokenScore, RowsThatAreNotFiniteHaveNoScore) {
  for (const std::vector<float>& logits :
       {std::vector<float>{1.0F, kNaN}, {kNaN, 1.0F}, {kInfinity, 1.0F}, {-kInfinity, -kInfinity}}) {
    const TokenScore score = score_token(logits, TokenId(1), 2);
    EXPECT_TRUE(std::isnan(score.logprob));
    EXPECT_EQ(score.token, TokenId(1));
    EXPECT_EQ(score.rank, 1);
    EXPECT_TRUE(score.top.empty());
  }
}

TEST(TokenScore, HugeLogitsNeitherOverflowNorVanish) {
  const float huge = std::numeric_limits<float>::max();
  const TokenScore score = score_token(std::vector<float>{huge, -huge}, TokenId(1), 1);
  EXPECT_EQ(score.top[0].logprob, 0.0F);
  EXPECT_EQ(score.logprob, -kInfinity);  // twice the largest float
}

TEST(TokenScore, ArgumentsOutOfRange) {
  const std::vector<float> logits = {1.0F, 2.0F};
  EXPECT_THROW(score_token(logits, TokenId(2), 0), Error);
  EXPECT_THROW(score_token(logits, TokenId(-1), 0), Error);
  EXPECT_THROW(score_token(logits, TokenId(0), -1), Error);
}

}  // namespace
}  // namespace lockstep::test
