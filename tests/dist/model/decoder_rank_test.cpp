// Logits of small checkpoints of every architecture against transformers (float64), on every rank count and chunking.
#include "dist/model/decoder.h"
#include "dist/topology.h"
#include "tests/support/model_runner.h"
#include "tests/support/shared_data.h"
#include "tests/support/world.h"

#include <cmath>
#include <fstream>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace lockstep {
namespace {

using testing_support::ModelRunner;

std::vector<TokenId> token_ids(const nlohmann::json& numbers) {
  std::vector<TokenId> tokens;
  for (const auto& number : numbers) tokens.emplace_back(number.get<int32_t>());
  return tokens;
}

nlohmann::json read_json(const std::filesystem::path& path) {
  std::ifstream file(path);
  return nlohmann::json::parse(file);
}

// Largest difference from this rank's part of `expected`, relative to the largest expected logit.
double relative_error(const std::vector<float>& logits, const std::vector<double>& expected, Range vocab) {
  double worst = 0.0, scale = 0.0;
  for (const double value : expected) scale = std::max(scale, std::abs(value));
  for (size_t i = 0; i < logits.size(); ++i) {
    worst = std::max(worst, std::abs(static_cast<double>(logits[i]) - expected[static_cast<size_t>(vocab.begin) + i]));
  }
  return worst / scale;
}

class GoldenModel : public testing::TestWithParam<const char*> {};

TEST_P(GoldenModel, LogitsEqualTransformers) {
  const std::filesystem::path directory =
      std::filesystem::path(LOCKSTEP_SOURCE_DIR) / "tests/goldens/models" / GetParam();
  Communicator& world = testing_support::world();
  const std::vector<int32_t> allowed = allowed_tp(read_model_config(directory));
  if (std::find(allowed.begin(), allowed.end(), world.size()) == allowed.end()) {
    GTEST_SKIP() << GetParam() << " does not allow tp " << world.size();
  }
  const nlohmann::json golden = read_json(directory / "golden.json");
  const std::vector<TokenId> prompt = token_ids(golden["prompt"]);

  ModelRunner runner(directory, world, detect_cpu_isa());
  std::vector<float> last;
  for (size_t position = 0; position < prompt.size(); ++position) {
    last = runner.append({prompt[position]}, 1);
    const auto expected = golden["logits"][position].get<std::vector<double>>();
    ASSERT_LE(relative_error(last, expected, runner.vocab()), 1e-4) << GetParam() << " at position " << position;
  }
  EXPECT_EQ(runner.greedy(last, 24), token_ids(golden["greedy"]));

  for (const int64_t chunk : {16, 32, 40}) {  // the same bits however the prompt is cut
    runner.restart();
    EXPECT_EQ(runner.append(prompt, chunk), last) << "chunks of " << chunk;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenModel,
                         testing::Values("llama_llama3", "llama_linear", "llama_yarn", "llama_bias", "mistral_window",
                                         "qwen2", "qwen2_window", "qwen3"));

// Every instruction-set level of this machine computes the right answer, not only the highest.
TEST(GoldenModelIsa, EveryLevelAgreesWithTransformers) {
  const std::filesystem::path directory =
      std::filesystem::path(LOCKSTEP_SOURCE_DIR) / "tests/goldens/models/llama_llama3";
  const nlohmann::json golden = read_json(directory / "golden.json");
  for (auto isa = CpuIsa::kScalar; isa <= detect_cpu_isa(); isa = static_cast<CpuIsa>(static_cast<int>(isa) + 1)) {
    ModelRunner runner(directory, testing_support::world(), isa);
    const std::vector<float> logits = runner.append(token_ids(golden["prompt"]), 40);
    const auto expected = golden["logits"].back().get<std::vector<double>>();
    EXPECT_LE(relative_error(logits, expected, runner.vocab()), 1e-4) << name_of(isa);
  }
}

// stories260K: head size 8, tied embeddings; reference computed in float64.
class Stories : public testing::Test {
 protected:
  void SetUp() override {
    root_ = testing_support::shared_data() / "models/stories260K";
    if (!std::filesystem::exists(root_)) GTEST_SKIP() << root_ << " is absent";
    const std::vector<int32_t> allowed = allowed_tp(read_model_config(root_ / "f32"));
    if (std::find(allowed.begin(), allowed.end(), testing_support::world().size()) == allowed.end()) {
      GTEST_SKIP() << "tp " << testing_support::world().size() << " does not divide the FFN of 172";
    }
    reference_ = read_json(root_ / "reference.json");
  }
  std::filesystem::path root_;
  nlohmann::json reference_;
};

TEST_F(Stories, F32TokensAndLogits) {
  ModelRunner runner(root_ / "f32", testing_support::world(), detect_cpu_isa());
  const std::vector<TokenId> prompt = token_ids(reference_["prompt_ids_with_bos"]);
  const std::vector<TokenId> generated = token_ids(reference_["generated_ids"]);
  const auto expect_near = [&](const std::vector<float>& logits, const nlohmann::json& row) {
    const auto expected = row.get<std::vector<double>>();
    for (size_t i = 0; i < logits.size(); ++i) {
      ASSERT_NEAR(logits[i], expected[static_cast<size_t>(runner.vocab().begin) + i], 2e-4);
    }
  };
  for (size_t i = 0; i < prompt.size(); ++i) {
    expect_near(runner.append({prompt[i]}, 1), reference_["logits_prompt_positions"][i]);
  }
  for (size_t i = 0; i < reference_["logits_first_generated_steps"].size(); ++i) {
    expect_near(runner.append({generated[i]}, 1), reference_["logits_first_generated_steps"][i]);
  }
  runner.restart();
  EXPECT_EQ(runner.greedy(runner.append(prompt, 64), 200), generated);
}

// Returns where the generated tokens leave the reference's, or their number.
int64_t first_difference(const std::vector<TokenId>& tokens, const std::vector<TokenId>& expected) {
  const auto [at, _] = std::mismatch(tokens.begin(), tokens.end(), expected.begin(), expected.end());
  return at - tokens.begin();
}

TEST_F(Stories, F16Tokens) {
  const nlohmann::json& variant = reference_["variants"]["f16"];
  const std::vector<TokenId> all = token_ids(variant["tokens"]);
  const std::vector<TokenId> prompt(all.begin(), all.begin() + 5), expected(all.begin() + 5, all.end());
  ModelRunner runner(root_ / "f16", testing_support::world(), detect_cpu_isa());
  const int64_t count = static_cast<int64_t>(expected.size());
  EXPECT_EQ(first_difference(runner.greedy(runner.append(prompt, 64), count), expected), count);
}

TEST_F(Stories, BF16LogitsAreNear) {
  const nlohmann::json& variant = reference_["variants"]["bf16_2shards"];
  const std::vector<TokenId> all = token_ids(variant["tokens"]);
  const std::vector<TokenId> prompt(all.begin(), all.begin() + 5), expected(all.begin() + 5, all.end());
  ModelRunner runner(root_ / "bf16_2shards", testing_support::world(), detect_cpu_isa());
  const std::vector<float> logits = runner.append(prompt, 64);
  const auto reference = variant["logits_last_prompt_position"].get<std::vector<double>>();
  EXPECT_LE(relative_error(logits, reference, runner.vocab()), 2e-2);
  const int64_t same = first_difference(runner.greedy(logits, static_cast<int64_t>(expected.size())), expected);
  RecordProperty("tokens_equal_to_reference", static_cast<int>(same));
  std::printf("bf16: %ld of %zu tokens as in the reference\n", same, expected.size());
  EXPECT_GE(same, 20);  // activations are rounded to BF16: the reference rounds weights only
}

}  // namespace
}  // namespace lockstep
