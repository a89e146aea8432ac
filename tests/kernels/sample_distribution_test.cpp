// Draws against the exact distribution of a plain reference, by chi-square at fixed seeds.
#include "core/philox.h"
#include "kernels/sample.h"
#include "tests/kernels/op_support.h"
#include "tests/kernels/sample_reference.h"

#include <ostream>
#include <string>

namespace lockstep::test {
namespace {

constexpr int kVocab = 40, kDraws = 40000;

/// The chi-square that one in 10,000 seeds exceeds, after Wilson and Hilferty (1931).
double chi_square_limit(double degrees) {
  const double spread = 2.0 / (9.0 * degrees);
  return degrees * std::pow(1.0 - spread + 3.719 * std::sqrt(spread), 3.0);
}

struct Case {
  std::string name;
  SamplingParams params;
  bool has_history = false;
};
void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

Case make_case(const std::string& name, bool has_history, void (*set)(SamplingParams&)) {
  Case one{name, {}, has_history};
  one.params.temperature = 1.0;
  one.params.seed = 11;
  set(one.params);
  return one;
}

std::vector<Case> cases() {
  return {
      make_case("Plain", false, [](SamplingParams&) {}),
      make_case("Cool", false, [](SamplingParams& p) { p.temperature = 0.7; }),
      make_case("Hot", false, [](SamplingParams& p) { p.temperature = 1.6; }),
      make_case("TopK", false, [](SamplingParams& p) { p.top_k = 7; }),
      make_case("TopP", false, [](SamplingParams& p) { p.top_p = 0.8; }),
      make_case("MinP", false, [](SamplingParams& p) { p.min_p = 0.1; }),
      make_case("TopKThenTopP", false, [](SamplingParams& p) { p.top_k = 9, p.top_p = 0.7; }),
      make_case("TopPThenMinP", false, [](SamplingParams& p) { p.top_p = 0.95, p.min_p = 0.2, p.temperature = 1.3; }),
      make_case("Repetition", true, [](SamplingParams& p) { p.repetition_penalty = 1.4; }),
      make_case("Presence", true, [](SamplingParams& p) { p.presence_penalty = 0.8; }),
      make_case("Frequency", true, [](SamplingParams& p) { p.frequency_penalty = 0.6; }),
      make_case("Bias", false,
                [](SamplingParams& p) {
                  p.logit_bias = {{TokenId(3), 2.0F}, {TokenId(8), -100.0F}};
                }),
      make_case("MinTokens", true,
                [](SamplingParams& p) {
                  p.min_tokens = 6, p.end_tokens = {TokenId(0), TokenId(1), TokenId(2)};
                }),
      make_case("All", true,
                [](SamplingParams& p) {
                  p.temperature = 0.9, p.top_k = 30, p.top_p = 0.9, p.min_p = 0.02, p.repetition_penalty = 1.2;
                  p.presence_penalty = 0.3, p.frequency_penalty = 0.2, p.logit_bias = {{TokenId(5), 1.5F}};
                  p.min_tokens = 9, p.end_tokens = {TokenId(4)};
                }),
  };
}

class SampleDistribution : public testing::TestWithParam<Case> {};

TEST_P(SampleDistribution, DrawsFollowTheReference) {
  const SamplingParams& params = GetParam().params;
  ReferenceHistory history;
  if (GetParam().has_history) history = {{0, 1, 2, 3, 4, 5, 6, 7, 7}, {5, 6, 6, 9, 10}};
  std::vector<TokenId> prompt;
  for (const int32_t token : history.prompt) prompt.emplace_back(token);
  SampleHistory seen(prompt);
  for (const int32_t token : history.generated) seen.add_generated(TokenId(token));

  const std::vector<float> logits = random_floats(kVocab, 31, 1.5F);
  const std::map<int32_t, double> expected = reference_distribution(logits, history, params);
  std::map<int32_t, int> counts;
  for (int i = 0; i < kDraws; ++i) {
    std::vector<float> row = logits;
    ++counts[sample_row(row, seen, params, static_cast<uint64_t>(i))->value()];
  }
  for (const auto& [token, count] : counts) EXPECT_TRUE(expected.contains(token)) << token << " x " << count;

  // Tokens that are expected fewer than ten times count as one.
  double sum = 0.0, rare_expected = 0.0, degrees = -1.0;
  int rare_seen = 0;
  const auto add = [&](double seen_count, double expected_count) {
    sum += (seen_count - expected_count) * (seen_count - expected_count) / expected_count;
    ++degrees;
  };
  for (const auto& [token, probability] : expected) {
    if (probability * kDraws < 10.0) {
      rare_expected += probability * kDraws;
      rare_seen += counts[token];
    } else {
      add(counts[token], probability * kDraws);
    }
  }
  if (rare_expected > 0.0) add(rare_seen, rare_expected);
  ASSERT_GE(degrees, 3.0);
  EXPECT_LT(sum, chi_square_limit(degrees)) << degrees << " degrees of freedom";
}

INSTANTIATE_TEST_SUITE_P(Params, SampleDistribution, testing::ValuesIn(cases()),
                         [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace lockstep::test
