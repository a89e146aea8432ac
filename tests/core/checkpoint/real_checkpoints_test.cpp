// Configurations and checkpoints that others made: those in tests/goldens/, and published ones where they are at hand.
#include "core/checkpoint/checkpoint.h"
#include "tests/support/shared_data.h"
#include "tests/support/temporary_directory.h"

#include <fstream>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace lockstep {
namespace {

namespace fs = std::filesystem;

fs::path golden(const std::string& name) { return fs::path(LOCKSTEP_SOURCE_DIR) / "tests/goldens/models" / name; }

class Goldens : public ::testing::TestWithParam<const char*> {};

TEST_P(Goldens, HoldAsManyParametersAsTheConfigSays) {
  const Checkpoint checkpoint = Checkpoint::open(golden(GetParam()));
  EXPECT_EQ(checkpoint.weight_bytes(), 4 * checkpoint.config().num_parameters());
  EXPECT_EQ(checkpoint.config().dtype, DType::kF32);
  EXPECT_EQ(checkpoint.contains("lm_head.weight"), !checkpoint.config().tie_word_embeddings);
  EXPECT_EQ(checkpoint.contains("model.layers.0.self_attn.q_proj.bias"), checkpoint.config().qkv_bias);
  EXPECT_EQ(checkpoint.contains("model.layers.0.self_attn.o_proj.bias"), checkpoint.config().output_bias);
  EXPECT_EQ(checkpoint.contains("model.layers.0.mlp.down_proj.bias"), checkpoint.config().mlp_bias);
  EXPECT_EQ(checkpoint.contains("model.layers.0.self_attn.q_norm.weight"), checkpoint.config().qk_norm);
}

INSTANTIATE_TEST_SUITE_P(Models, Goldens,
                         ::testing::Values("llama_llama3", "llama_yarn", "llama_linear", "llama_bias", "mistral_window",
                                           "qwen2", "qwen2_window", "qwen3"),
                         [](const auto& parameter) { return std::string(parameter.param); });

TEST(GoldenConfigs, SayWhatTheirNamesSay) {
  EXPECT_EQ(read_model_config(golden("llama_llama3")).rope_scaling.kind, RopeScalingKind::kLlama3);
  EXPECT_EQ(read_model_config(golden("llama_yarn")).rope_scaling.kind, RopeScalingKind::kYarn);
  EXPECT_EQ(read_model_config(golden("llama_yarn")).rope_theta, 1000.0);
  EXPECT_EQ(read_model_config(golden("llama_linear")).rope_scaling.kind, RopeScalingKind::kLinear);
  EXPECT_EQ(read_model_config(golden("mistral_window")).window_of(LayerId(0)), 8);
  EXPECT_EQ(read_model_config(golden("qwen2")).window_of(LayerId(1)), 0);
  EXPECT_EQ(read_model_config(golden("qwen2_window")).window_of(LayerId(0)), 0);
  EXPECT_EQ(read_model_config(golden("qwen2_window")).window_of(LayerId(1)), 8);
  EXPECT_EQ(read_model_config(golden("qwen3")).head_dim, 24);
}

/// Reads a published config.json as the file of a directory.
ModelConfig published(const std::string& name) {
  const fs::path path = testing_support::shared_data() / "configs" / (name + ".config.json");
  const testing_support::TemporaryDirectory directory;
  fs::copy_file(path, directory / "config.json");
  return read_model_config(directory.path());
}

class PublishedFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(testing_support::shared_data() / "configs"))
      GTEST_SKIP() << "no published files in " << testing_support::shared_data() << " (LOCKSTEP_SHARED_DATA)";
  }
};

TEST_F(PublishedFiles, Mistral7B) {
  const ModelConfig config = published("mistral_7b_v0.3");
  EXPECT_EQ(config.architecture, Architecture::kMistral);
  EXPECT_EQ(config.num_kv_heads, 8);
  EXPECT_EQ(config.head_dim, 128);
  EXPECT_EQ(config.rope_theta, 1e6);
  EXPECT_EQ(config.sliding_window, 0);
  EXPECT_EQ(config.dtype, DType::kBF16);
  // Its index states the bytes of all weights.
  std::ifstream index(testing_support::shared_data() / "configs/mistral_7b_v0.3.model.safetensors.index.json");
  EXPECT_EQ(2 * config.num_parameters(), nlohmann::json::parse(index)["metadata"]["total_size"].get<int64_t>());
}

TEST_F(PublishedFiles, Qwen2) {
  const ModelConfig config = published("qwen2_1.5b");
  EXPECT_EQ(config.architecture, Architecture::kQwen2);
  EXPECT_EQ(config.num_parameters(), 1'543'714'304);  // as its model card counts them
  EXPECT_TRUE(config.tie_word_embeddings && config.qkv_bias);
  EXPECT_EQ(config.sliding_window, 0);
  EXPECT_EQ(config.bos_token, TokenId(151643));
  EXPECT_EQ(config.eos_tokens, std::vector<TokenId>{TokenId(151645)});
}

TEST_F(PublishedFiles, StoriesInThreeForms) {
  const fs::path stories = testing_support::shared_data() / "models/stories260K";
  for (const char* form : {"f32", "f16", "bf16_2shards"}) {
    const Checkpoint checkpoint = Checkpoint::open(stories / form);
    EXPECT_EQ(checkpoint.weight_bytes(), checkpoint.config().num_parameters() * size_of(checkpoint.config().dtype));
    for (const std::string& name : checkpoint.names()) EXPECT_TRUE(checkpoint.contains(name));
    EXPECT_EQ(checkpoint.tensor("model.embed_tokens.weight", {512, 64}).dtype(), checkpoint.config().dtype);
  }
  const Hash128 f32 = Checkpoint::open(stories / "f32").fingerprint();
  EXPECT_EQ(Checkpoint::open(stories / "f32").fingerprint(), f32);
  EXPECT_NE(Checkpoint::open(stories / "f16").fingerprint(), f32);
}

}  // namespace
}  // namespace lockstep
