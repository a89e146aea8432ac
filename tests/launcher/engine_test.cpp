// The engine's sampling options and gauges on small models.
#include "launcher/engine.h"

#include "core/error.h"
#include "core/philox.h"
#include "dist/comm/local/local_group.h"
#include "examples/random_model.h"
#include "tests/launcher/engine_run.h"
#include "tests/support/expect_throw.h"
#include "tests/support/temporary_directory.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <limits>

namespace lockstep {
namespace {

using testing_support::EngineJob;
using testing_support::EngineOutcome;
using testing_support::EngineRun;
using testing_support::expect_throw;
using testing_support::outcomes_of;
using testing_support::TemporaryDirectory;

const std::filesystem::path kModel = std::filesystem::path(LOCKSTEP_SOURCE_DIR) / "tests/goldens/models/llama_llama3";
const std::vector<TokenId> kPrompt = {TokenId(1), TokenId(40), TokenId(7), TokenId(99)};

std::vector<TokenId> greedy(const SamplingParams& sampling, int64_t count = 12) {
  return outcomes_of(kModel, {{kPrompt, count, sampling, 0}})[0].tokens;
}

TEST(Engine, MinTokensKeepsEndTokensOutForSoLong) {
  const std::vector<TokenId> free = greedy({});
  SamplingParams sampling;
  sampling.end_tokens = {free[0], free[1]};
  sampling.min_tokens = 5;
  const std::vector<TokenId> held = greedy(sampling);
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_NE(held[i], free[0]) << i;
    EXPECT_NE(held[i], free[1]) << i;
  }
  sampling.min_tokens = 0;
  EXPECT_EQ(greedy(sampling), free);
}

TEST(Engine, BiasDecides) {
  SamplingParams sampling;
  sampling.logit_bias = {{TokenId(55), 1000.0F}};
  EXPECT_EQ(greedy(sampling), std::vector<TokenId>(12, TokenId(55)));
  sampling.frequency_penalty = 300.0;  // until it was generated often enough
  const std::vector<TokenId> tokens = greedy(sampling);
  EXPECT_EQ(std::count(tokens.begin(), tokens.begin() + 4, TokenId(55)), 4);
  EXPECT_NE(tokens[4], TokenId(55));
}

TEST(Engine, PenaltiesTellPromptAndOutputApart) {
  SamplingParams sampling;
  for (const TokenId token : kPrompt) sampling.logit_bias.push_back({token, 500.0F});
  sampling.presence_penalty = 2000.0;  // every token once; that a token stands in the prompt does not count
  std::vector<TokenId> tokens = greedy(sampling, 4), expected = kPrompt;
  std::sort(tokens.begin(), tokens.end());
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(tokens, expected);
  sampling.presence_penalty = 0.0;
  sampling.repetition_penalty = 1000.0;  // the prompt's tokens count
  for (const TokenId token : greedy(sampling, 1)) {
    EXPECT_EQ(std::count(kPrompt.begin(), kPrompt.end(), token), 0);
  }
}

// The draw for the token at a position is the inverse distribution function at that position's own random number.
TEST(Engine, DrawsFollowSeedAndPosition) {
  EngineJob job{kPrompt, 60, {}, 0};
  job.sampling.temperature = 1.0;
  job.sampling.seed = 77;
  job.sampling.logprobs = 157;  // the whole distribution, in the order in which a draw walks it
  const EngineOutcome outcome = outcomes_of(kModel, {job})[0];
  ASSERT_EQ(outcome.scores.size(), 60U);
  for (size_t i = 0; i < outcome.scores.size(); ++i) {
    const double u = philox_uniform(77, kPrompt.size() + i);
    double below = 0.0;
    auto at = outcome.scores[i].top.begin();
    for (; at->token != outcome.tokens[i]; ++at) below += std::exp(static_cast<double>(at->logprob));
    EXPECT_LE(below, u + 1e-5) << i;
    EXPECT_GE(below + std::exp(static_cast<double>(at->logprob)), u - 1e-5) << i;
  }
}

// A model whose logits are NaN, as a broken checkpoint gives them.
TEST(Engine, LogitsThatAreNotFiniteGiveNoTokenAndNoScore) {
  const TemporaryDirectory directory;
  const examples::RandomModel model{
      .hidden = 32, .layers = 1, .heads = 4, .kv_heads = 2, .head_dim = 8, .ffn = 32, .vocab = 64, .max_positions = 64};
  testing_support::write_file(directory / "config.json", examples::config_json(model));
  const ModelConfig config = read_model_config(directory.path());
  std::vector<examples::WeightSpec> weights = examples::weights_of(config);
  for (examples::WeightSpec& weight : weights) {
    if (weight.name == "model.norm.weight") weight.mean = std::numeric_limits<double>::quiet_NaN();
  }
  examples::write_weights(weights, config.dtype, 1, directory / "model.safetensors");
  for (const double temperature : {0.0, 1.0}) {
    EngineJob job{{TokenId(3), TokenId(4), TokenId(5)}, 4, {}, 0};
    job.sampling.temperature = temperature;
    job.sampling.prompt_logprobs = 2;
    EngineRun run{.num_ranks = 2};
    run.config.max_sequence = 64;
    const EngineOutcome outcome = outcomes_of(directory.path(), {job}, run)[0];
    EXPECT_EQ(outcome.num_void, 1);
    EXPECT_TRUE(outcome.tokens.empty());
    ASSERT_EQ(outcome.prompt_scores.size(), 2U);
    for (const TokenScore& score : outcome.prompt_scores) {
      EXPECT_TRUE(std::isnan(score.logprob));
      EXPECT_TRUE(score.top.empty());
    }
  }
}

TEST(Engine, GaugesAndRefusals) {
  run_local_ranks(1, [&](Communicator& alone) {
    const Checkpoint checkpoint = Checkpoint::open(kModel);
    ThreadPool threads(1);
    Stream stream = Stream::inline_cpu();
    const OpContext context{.stream = &stream, .threads = &threads, .isa = detect_cpu_isa()};
    EngineConfig config = EngineRun{}.config;
    config.page_tokens = 2;
    Engine engine(context, checkpoint, Topology(1, 1, Rank(0)), alone, config);
    EXPECT_EQ(engine.progress(), 0U);

    SamplingParams sampling;
    sampling.logit_bias = {{TokenId(157), 1.0F}};
    expect_throw<ConfigError>([&] { engine.add(kPrompt, 1, sampling); }, {"logit_bias", "157", "156"});
    sampling = {};
    sampling.prompt_logprobs = -1;
    expect_throw<ConfigError>([&] { engine.add(kPrompt, 1, sampling); }, {"-1"});
    EXPECT_FALSE(engine.has_work());

    const SequenceId id = engine.add(kPrompt, 3, {});
    engine.step();
    EXPECT_EQ(engine.progress(), 2U);
    EXPECT_EQ(engine.cache_slots_used(), 2);
    EXPECT_EQ(engine.cache_slots_kept(), 0);
    EXPECT_TRUE(engine.prompt_scores().empty());
    EXPECT_EQ(engine.finish(id).cached_prompt_tokens, 0);
    EXPECT_EQ(engine.cache_slots_used(), 0);
    EXPECT_EQ(engine.cache_slots_kept(), 2);
  });
}

}  // namespace
}  // namespace lockstep
