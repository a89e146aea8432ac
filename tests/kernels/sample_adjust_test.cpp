#include "kernels/sample_adjust.h"

#include "core/error.h"
#include "kernels/sample.h"
#include "tests/kernels/op_support.h"
#include "tests/kernels/sample_reference.h"

#include <random>

namespace lockstep::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

SampleHistory history_of(const ReferenceHistory& plain) {
  std::vector<TokenId> prompt;
  for (const int32_t token : plain.prompt) prompt.emplace_back(token);
  SampleHistory history(prompt);
  for (const int32_t token : plain.generated) history.add_generated(TokenId(token));
  return history;
}

std::vector<float> adjusted(std::vector<float> logits, const ReferenceHistory& history, const SamplingParams& params) {
  adjust_logits(logits, history_of(history), params);
  return logits;
}

TEST(SampleHistory, CountsDistinctTokens) {
  const SampleHistory history = history_of({{5, 6, 5}, {6, 7, 7}});
  ASSERT_EQ(history.entries().size(), 3U);
  const int32_t tokens[] = {5, 6, 7}, counts[] = {0, 1, 2};
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(history.entries()[i].token, TokenId(tokens[i]));
    EXPECT_EQ(history.entries()[i].num_generated, counts[i]);
  }
  EXPECT_EQ(history.num_generated(), 3);
}

TEST(SampleAdjust, RepetitionCountsPromptAndOutputOnce) {
  SamplingParams params;
  params.repetition_penalty = 2.0;
  EXPECT_EQ(adjusted({4.0F, 3.0F, -1.0F, 8.0F}, {{0, 0, 2}, {3, 3}}, params),
            (std::vector<float>{2.0F, 3.0F, -2.0F, 4.0F}));
}

TEST(SampleAdjust, PresenceAndFrequencyCountTheOutputAlone) {
  SamplingParams params;
  params.presence_penalty = 0.5;
  EXPECT_EQ(adjusted({4.0F, 3.0F, 1.0F}, {{0, 0}, {1, 1, 2}}, params), (std::vector<float>{4.0F, 2.5F, 0.5F}));
  params.presence_penalty = 0.0;
  params.frequency_penalty = 0.25;
  EXPECT_EQ(adjusted({4.0F, 3.0F, 1.0F}, {{0, 0}, {1, 1, 2}}, params), (std::vector<float>{4.0F, 2.5F, 0.75F}));
  params.frequency_penalty = -0.25;  // wants repetition
  EXPECT_EQ(adjusted({4.0F, 3.0F}, {{}, {1, 1}}, params), (std::vector<float>{4.0F, 3.5F}));
}

TEST(SampleAdjust, TheBiasComesBeforeTheRepetitionPenaltyAndThatBeforeTheOthers) {
  SamplingParams params;
  params.logit_bias = {{TokenId(0), 2.0F}, {TokenId(1), -kInfinity}};
  params.repetition_penalty = 2.0;
  params.presence_penalty = 1.0;
  EXPECT_EQ(adjusted({4.0F, 4.0F}, {{}, {0}}, params), (std::vector<float>{2.0F, -kInfinity}));  // (4 + 2) / 2 - 1
}

TEST(SampleAdjust, EndTokensAreMaskedUntilEnoughWasGenerated) {
  SamplingParams params;
  params.min_tokens = 2;
  params.end_tokens = {TokenId(1), TokenId(9)};  // 9 is not in the vocabulary
  const std::vector<float> logits = {1.0F, 2.0F};
  const std::vector<float> masked = {1.0F, -kInfinity};
  EXPECT_EQ(adjusted(logits, {{0, 0, 0}, {}}, params), masked);
  EXPECT_EQ(adjusted(logits, {{}, {0}}, params), masked);
  EXPECT_EQ(adjusted(logits, {{}, {0, 0}}, params), logits);
  params.logit_bias = {{TokenId(1), 100.0F}};  // a bias does not unmask
  EXPECT_EQ(adjusted(logits, {{}, {0}}, params), masked);
}

TEST(SampleAdjust, TokensOutsideTheVocabularyAreRefused) {
  SamplingParams params;
  params.repetition_penalty = 2.0;
  EXPECT_THROW(adjusted({1.0F}, {{1}, {}}, params), Error);
  EXPECT_THROW(adjusted({1.0F}, {{}, {-1}}, params), Error);
  params = {};
  params.logit_bias = {{TokenId(1), 1.0F}};
  EXPECT_THROW(adjusted({1.0F}, {}, params), Error);
}

TEST(SampleAdjust, AgreesWithThePlainReference) {
  std::mt19937_64 engine(7);
  const auto below = [&](uint64_t n) { return static_cast<int32_t>(engine() % n); };
  for (uint64_t round = 0; round < 300; ++round) {
    SCOPED_TRACE(round);
    constexpr int32_t kVocab = 60;
    const std::vector<float> logits = random_floats(kVocab, round, 2.0F);
    ReferenceHistory history;
    for (int i = below(40); i > 0; --i) history.prompt.push_back(below(kVocab));
    for (int i = below(40); i > 0; --i) history.generated.push_back(below(kVocab));
    SamplingParams params;
    if (below(2) == 0) params.repetition_penalty = 0.5 + 0.1 * below(15);
    if (below(2) == 0) params.presence_penalty = 0.1 * (below(40) - 20);
    if (below(2) == 0) params.frequency_penalty = 0.1 * (below(40) - 20);
    for (int32_t token = below(kVocab); token < kVocab; token += 1 + below(20)) {
      params.logit_bias.push_back({TokenId(token), static_cast<float>(below(200) - 100)});
    }
    params.min_tokens = below(40);
    for (int i = below(4); i > 0; --i) params.end_tokens.emplace_back(below(kVocab));

    const std::vector<double> expected = reference_adjusted(logits, history, params);
    const std::vector<float> seen = adjusted(logits, history, params);
    for (size_t i = 0; i < seen.size(); ++i) {
      if (std::isinf(expected[i])) {
        ASSERT_EQ(seen[i], -kInfinity) << i;
      } else {
        ASSERT_NEAR(seen[i], expected[i], 1e-6 * (100.0 + std::abs(expected[i]))) << i;
      }
    }
    // Greedy: the highest of them.
    std::vector<float> row = logits;
    const size_t best = static_cast<size_t>(sample_row(row, history_of(history), params, 0)->value());
    ASSERT_GE(expected[best] + 1e-4, *std::max_element(expected.begin(), expected.end()));
  }
}

}  // namespace
}  // namespace lockstep::test
