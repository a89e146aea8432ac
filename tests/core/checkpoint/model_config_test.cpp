#include "core/checkpoint/model_config.h"

#include "tests/core/checkpoint/config_fixture.h"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

using Json = nlohmann::json;

std::vector<TokenId> tokens(std::initializer_list<int32_t> ids) {
  std::vector<TokenId> out;
  for (const int32_t id : ids) out.emplace_back(id);
  return out;
}

TEST(ModelConfig, MissingKeysTakeTheDefaultsOfLlama) {
  const ModelConfig config = read_config(minimal_config("LlamaForCausalLM"));
  EXPECT_EQ(config.architecture, Architecture::kLlama);
  EXPECT_EQ(config.num_kv_heads, 32);
  EXPECT_EQ(config.head_dim, 128);
  EXPECT_EQ(config.max_positions, 2048);
  EXPECT_EQ(config.rms_norm_eps, 1e-6);
  EXPECT_EQ(config.rope_theta, 10000.0);
  EXPECT_EQ(config.rope_scaling.kind, RopeScalingKind::kNone);
  EXPECT_EQ(config.sliding_window, 0);
  EXPECT_EQ(config.dtype, DType::kF32);
  EXPECT_EQ(config.bos_token, TokenId(1));
  EXPECT_EQ(config.eos_tokens, tokens({2}));
  EXPECT_FALSE(config.tie_word_embeddings || config.qkv_bias || config.output_bias || config.mlp_bias ||
               config.qk_norm);
}

TEST(ModelConfig, MissingKeysTakeTheDefaultsOfMistral) {
  const ModelConfig config = read_config(minimal_config("MistralForCausalLM"));
  EXPECT_EQ(config.architecture, Architecture::kMistral);
  EXPECT_EQ(config.num_kv_heads, 8);
  EXPECT_EQ(config.max_positions, 131072);
  EXPECT_EQ(config.sliding_window, 4096);
  EXPECT_EQ(config.bos_token, TokenId(1));
  EXPECT_EQ(config.eos_tokens, tokens({2}));
}

TEST(ModelConfig, MissingKeysTakeTheDefaultsOfQwen) {
  const ModelConfig qwen2 = read_config(minimal_config("Qwen2ForCausalLM"));
  EXPECT_EQ(qwen2.num_kv_heads, 32);
  EXPECT_EQ(qwen2.head_dim, 128);
  EXPECT_EQ(qwen2.max_positions, 32768);
  EXPECT_EQ(qwen2.sliding_window, 0);
  EXPECT_EQ(qwen2.bos_token, std::nullopt);
  EXPECT_TRUE(qwen2.eos_tokens.empty());
  EXPECT_TRUE(qwen2.qkv_bias);
  EXPECT_FALSE(qwen2.output_bias);
  EXPECT_FALSE(qwen2.qk_norm);

  Json narrow = minimal_config("Qwen3ForCausalLM");
  narrow["hidden_size"] = 1024;
  const ModelConfig qwen3 = read_config(narrow);
  EXPECT_EQ(qwen3.head_dim, 128) << "Qwen3 does not derive it from the hidden size";
  EXPECT_TRUE(qwen3.qk_norm);
  EXPECT_FALSE(qwen3.qkv_bias);
}

TEST(ModelConfig, NullMeansDerivedWhereTransformersDerives) {
  Json json = minimal_config("MistralForCausalLM");
  json["num_key_value_heads"] = nullptr;
  json["head_dim"] = nullptr;
  json["sliding_window"] = nullptr;
  const ModelConfig config = read_config(json);
  EXPECT_EQ(config.num_kv_heads, 32);
  EXPECT_EQ(config.head_dim, 128);
  EXPECT_EQ(config.sliding_window, 0);
  json["architectures"] = {"Qwen3ForCausalLM"};
  json["hidden_size"] = 2048;
  EXPECT_EQ(read_config(json).head_dim, 64);
}

TEST(ModelConfig, ReadsExplicitValues) {
  const ModelConfig config = read_llama({{"num_key_value_heads", 4},
                                         {"head_dim", 96},
                                         {"attention_bias", true},
                                         {"mlp_bias", true},
                                         {"rms_norm_eps", 1e-5},
                                         {"max_position_embeddings", 77},
                                         {"tie_word_embeddings", true},
                                         {"pretraining_tp", 4},
                                         {"hidden_act", "swish"}});
  EXPECT_EQ(config.hidden_size, 4096);
  EXPECT_EQ(config.intermediate_size, 11008);
  EXPECT_EQ(config.num_layers, 32);
  EXPECT_EQ(config.num_heads, 32);
  EXPECT_EQ(config.num_kv_heads, 4);
  EXPECT_EQ(config.head_dim, 96);
  EXPECT_EQ(config.vocab_size, 32000);
  EXPECT_EQ(config.max_positions, 77);
  EXPECT_EQ(config.rms_norm_eps, 1e-5);
  EXPECT_TRUE(config.tie_word_embeddings && config.qkv_bias && config.output_bias && config.mlp_bias);
}

TEST(ModelConfig, ModelTypeStandsInForMissingArchitectures) {
  Json json = minimal_config("LlamaForCausalLM");
  json.erase("architectures");
  json["model_type"] = "qwen2";
  EXPECT_EQ(read_config(json).architecture, Architecture::kQwen2);
}

TEST(ModelConfig, ReadsBothSpellingsOfDtype) {
  EXPECT_EQ(read_llama({{"torch_dtype", "bfloat16"}}).dtype, DType::kBF16);
  EXPECT_EQ(read_llama({{"dtype", "float16"}}).dtype, DType::kF16);
  EXPECT_EQ(read_llama({{"torch_dtype", "torch.bfloat16"}}).dtype, DType::kBF16);
  EXPECT_EQ(read_llama({{"torch_dtype", "float16"}, {"dtype", "float32"}}).dtype, DType::kF32);
}

TEST(ModelConfig, EosMayBeOneManyOrNone) {
  EXPECT_EQ(read_llama({{"eos_token_id", 5}}).eos_tokens, tokens({5}));
  EXPECT_EQ(read_llama({{"eos_token_id", {5, 6, 5}}}).eos_tokens, tokens({5, 6}));
  EXPECT_TRUE(read_llama({{"eos_token_id", nullptr}}).eos_tokens.empty());
  EXPECT_EQ(read_llama({{"bos_token_id", nullptr}}).bos_token, std::nullopt);
}

TEST(ModelConfig, EosOfTheGenerationConfigWins) {
  Json json = minimal_config("LlamaForCausalLM");
  json["eos_token_id"] = 5;
  EXPECT_EQ(read_config(json, {{"eos_token_id", {7, 8}}}).eos_tokens, tokens({7, 8}));
  EXPECT_EQ(read_config(json, {{"eos_token_id", nullptr}}).eos_tokens, tokens({5}));
  EXPECT_EQ(read_config(json, {{"temperature", 0.6}}).eos_tokens, tokens({5}));
}

TEST(ModelConfig, MistralSlidesInEveryLayer) {
  Json json = minimal_config("MistralForCausalLM");
  json["sliding_window"] = 1024;
  const ModelConfig config = read_config(json);
  EXPECT_EQ(config.window_of(LayerId(0)), 1024);
  EXPECT_EQ(config.window_of(LayerId(31)), 1024);
  EXPECT_THROW(config.window_of(LayerId(32)), Error);
  EXPECT_THROW(config.window_of(LayerId(-1)), Error);
}

TEST(ModelConfig, QwenSlidesOnlyWhenAskedAndFromTheNamedLayerOn) {
  for (const char* architecture : {"Qwen2ForCausalLM", "Qwen3ForCausalLM"}) {
    Json json = minimal_config(architecture);
    json.update({{"sliding_window", 512}, {"max_window_layers", 20}, {"use_sliding_window", false}});
    EXPECT_EQ(read_config(json).window_of(LayerId(31)), 0);
    json["use_sliding_window"] = true;
    EXPECT_EQ(read_config(json).window_of(LayerId(19)), 0);
    EXPECT_EQ(read_config(json).window_of(LayerId(20)), 512);
    json["sliding_window"] = nullptr;
    EXPECT_EQ(read_config(json).window_of(LayerId(20)), 0);
  }
}

TEST(ModelConfig, LayerTypesOverrideTheLayerRule) {
  Json json = minimal_config("Qwen2ForCausalLM");
  json.update(
      {{"num_hidden_layers", 3}, {"sliding_window", 512}, {"max_window_layers", 0}, {"use_sliding_window", true}});
  json["layer_types"] = {"sliding_attention", "full_attention", "sliding_attention"};
  const ModelConfig config = read_config(json);
  EXPECT_EQ(config.window_of(LayerId(0)), 512);
  EXPECT_EQ(config.window_of(LayerId(1)), 0);
  EXPECT_EQ(config.window_of(LayerId(2)), 512);
}

TEST(ModelConfig, CanonicalJsonIsFixedForEver) {
  // Fingerprints of models hash this text: another text would orphan every stored page.
  EXPECT_EQ(read_config(minimal_config("LlamaForCausalLM")).canonical_json(),
            R"({"architecture":"llama","hidden_size":4096,"intermediate_size":11008,"num_layers":32,"num_heads":32,)"
            R"("num_kv_heads":32,"head_dim":128,"vocab_size":32000,"max_positions":2048,"rms_norm_eps":1e-06,)"
            R"("rope_theta":10000.0,"rope_scaling":{"kind":"none","factor":1.0,"low_freq_factor":1.0,)"
            R"("high_freq_factor":4.0,"original_max_positions":0,"beta_fast":32.0,"beta_slow":1.0,)"
            R"("attention_factor":null,"mscale":0.0,"mscale_all_dim":0.0,"truncate":true},)"
            R"("tie_word_embeddings":false,"qkv_bias":false,"output_bias":false,"mlp_bias":false,"qk_norm":false,)"
            R"("sliding_window":0,"full_attention_layers":0,"layer_is_sliding":[],"dtype":"f32","bos_token":1,)"
            R"("eos_tokens":[2]})");
}

TEST(ModelConfig, CanonicalJsonTellsEveryFieldApart) {
  const std::string base = read_config(minimal_config("LlamaForCausalLM")).canonical_json();
  const Json changes = Json::parse(R"([
    {"hidden_size": 2048}, {"intermediate_size": 5}, {"num_hidden_layers": 2}, {"num_attention_heads": 16},
    {"num_key_value_heads": 4}, {"head_dim": 64}, {"vocab_size": 7}, {"max_position_embeddings": 9},
    {"rms_norm_eps": 1e-5}, {"rope_theta": 5e5}, {"rope_scaling": {"type": "linear", "factor": 2}},
    {"tie_word_embeddings": true}, {"attention_bias": true}, {"mlp_bias": true}, {"torch_dtype": "float16"},
    {"bos_token_id": 3}, {"bos_token_id": null}, {"eos_token_id": 3}, {"eos_token_id": [2, 3]}])");
  std::vector<std::string> seen{base};
  for (const Json& change : changes) {
    const std::string text = read_llama(change).canonical_json();
    EXPECT_EQ(std::count(seen.begin(), seen.end(), text), 0) << change;
    EXPECT_EQ(text.find('\n'), std::string::npos);
    seen.push_back(text);
  }
}

}  // namespace
}  // namespace lockstep
