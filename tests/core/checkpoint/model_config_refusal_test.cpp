// What a config.json may not say: each message names the file, the key, the value seen and what is accepted.
#include "tests/core/checkpoint/config_fixture.h"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

using Json = nlohmann::json;

struct Refusal {
  const char* architecture;
  const char* changes;   // JSON object merged into the minimal configuration
  const char* key;       // and the value, as the message spells them
  const char* accepted;  // a part of what the message says is accepted
};

constexpr const char* kLlama = "LlamaForCausalLM";
constexpr const char* kMistral = "MistralForCausalLM";
constexpr const char* kQwen2 = "Qwen2ForCausalLM";

const Refusal kRefusals[] = {
    {kLlama, R"({"architectures": ["GemmaForCausalLM"]})", R"(architectures is ["GemmaForCausalLM"])",
     "MistralForCausalLM"},
    {kLlama, R"({"architectures": ["LlamaForCausalLM", "X"]})", "architectures is", "one of"},
    {kLlama, R"({"architectures": "LlamaForCausalLM"})", R"(architectures is "LlamaForCausalLM")", "a list of strings"},
    {kLlama, R"({"architectures": null, "model_type": "gpt2"})", R"(model_type is "gpt2")", R"("llama")"},
    {kLlama, R"({"model_type": "mistral"})", R"(model_type is "mistral")", R"("llama")"},
    {kLlama, R"({"hidden_act": "gelu"})", R"(hidden_act is "gelu")", "silu"},
    {kLlama, R"({"quantization_config": {"bits": 4}})", R"(quantization_config is {"bits":4})", "F32, F16 or BF16"},
    {kLlama, R"({"num_local_experts": 8})", "num_local_experts is 8", "dense"},
    {kQwen2, R"({"num_experts": 60})", "num_experts is 60", "dense"},
    {kLlama, R"({"is_encoder_decoder": true})", "is_encoder_decoder is true", "false"},
    {kMistral, R"({"mlp_bias": true})", "mlp_bias is true", "false"},
    {kMistral, R"({"attention_bias": true})", "attention_bias is true", "false"},
    {kLlama, R"({"torch_dtype": "float64"})", R"(torch_dtype is "float64")", "float32, float16, bfloat16"},
    {kLlama, R"({"dtype": 16})", "dtype is 16", "a string"},
    {kLlama, R"({"hidden_size": 0})", "hidden_size is 0", "1 to 1048576"},
    {kLlama, R"({"hidden_size": "4096"})", R"(hidden_size is "4096")", "an integer"},
    {kLlama, R"({"hidden_size": 4096.0})", "hidden_size is 4096.0", "an integer"},
    {kLlama, R"({"hidden_size": true})", "hidden_size is true", "an integer"},
    {kLlama, R"({"intermediate_size": -1})", "intermediate_size is -1", "1 to 4194304"},
    {kLlama, R"({"num_hidden_layers": 4097})", "num_hidden_layers is 4097", "1 to 4096"},
    {kLlama, R"({"vocab_size": 18446744073709551615})", "vocab_size is 18446744073709551615", "1 to 16777216"},
    {kLlama, R"({"vocab_size": 100000000000000000000})", "vocab_size is 1e+20", "an integer"},
    {kLlama, R"({"max_position_embeddings": 2147483648})", "max_position_embeddings is 2147483648", "1 to 1073741824"},
    {kLlama, R"({"num_attention_heads": 0})", "num_attention_heads is 0", "1 to 16384"},
    {kLlama, R"({"num_key_value_heads": 5})", "num_attention_heads is 32", "a multiple of num_key_value_heads, 5"},
    {kLlama, R"({"num_attention_heads": 24})", "hidden_size is 4096", "a multiple of num_attention_heads, 24"},
    {kLlama, R"({"head_dim": 7})", "head_dim is 7", "an even head size"},
    {kLlama, R"({"head_dim": 4096})", "head_dim is 4096", "2 to 2048"},
    {kLlama, R"({"num_attention_heads": 1})", "hidden_size is 4096", "2 to 2048, found 4096"},
    {kLlama, R"({"rms_norm_eps": -1e-5})", "rms_norm_eps is -1e-05", "0 to 1"},
    {kLlama, R"({"rms_norm_eps": "small"})", R"(rms_norm_eps is "small")", "a number"},
    {kLlama, R"({"tie_word_embeddings": "yes"})", R"(tie_word_embeddings is "yes")", "true, false"},
    {kLlama, R"({"eos_token_id": 32000})", "eos_token_id is 32000", "0 to 31999"},
    {kLlama, R"({"eos_token_id": [1, "2"]})", R"(eos_token_id is [1,"2"])", "one or a list"},
    {kLlama, R"({"bos_token_id": -1})", "bos_token_id is -1", "0 to 31999"},
    {kMistral, R"({"sliding_window": 0})", "sliding_window is 0", "1 to"},
    {kQwen2, R"({"use_sliding_window": true, "sliding_window": -4})", "sliding_window is -4", "1 to"},
    {kQwen2, R"({"use_sliding_window": true, "max_window_layers": -1})", "max_window_layers is -1", "0 to 4096"},
    {kQwen2, R"({"num_hidden_layers": 2, "layer_types": ["full_attention"]})", "layer_types is", "2 entries"},
    {kQwen2, R"({"num_hidden_layers": 1, "layer_types": ["chunked_attention"]})", "layer_types is",
     "sliding_attention"},
    {kQwen2, R"({"num_hidden_layers": 1, "layer_types": ["sliding_attention"]})", "layer_types is",
     "no sliding window"},
    {kMistral, R"({"num_hidden_layers": 2, "layer_types": ["sliding_attention", "full_attention"]})", "layer_types is",
     "every layer"},
};

TEST(ModelConfigRefusals, NameFileKeyValueAndAcceptedValues) {
  for (const Refusal& refusal : kRefusals) {
    SCOPED_TRACE(refusal.changes);
    const std::string message = refusal_of(refusal.architecture, Json::parse(refusal.changes));
    EXPECT_NE(message.find("config.json: "), std::string::npos) << message;
    EXPECT_NE(message.find(refusal.key), std::string::npos) << message;
    EXPECT_NE(message.find(refusal.accepted, message.find("; accepted: ")), std::string::npos) << message;
  }
}

TEST(ModelConfigRefusals, SizesHaveNoDefaults) {
  for (const char* key :
       {"hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size"}) {
    const std::string message = refusal_of(kLlama, {{key, nullptr}});
    EXPECT_NE(message.find(std::string("config.json: ") + key + " is missing"), std::string::npos) << message;
  }
}

TEST(ModelConfigRefusals, BadFilesNameThemselves) {
  const testing_support::TemporaryDirectory directory;
  EXPECT_THROW(read_model_config(directory.path()), IoError);
  std::filesystem::create_directory(directory / "config.json");
  EXPECT_THROW(read_model_config(directory.path()), IoError);
  std::filesystem::remove(directory / "config.json");
  for (const char* text : {"", "[]", "{\"a\": 1", "{\"a\": 1} x", "{\"a\": 1, \"a\": 2}", "{\"a\": NaN}", "\xff"}) {
    testing_support::write_file(directory / "config.json", text);
    try {
      read_model_config(directory.path());
      ADD_FAILURE() << text;
    } catch (const FormatError& error) {
      EXPECT_NE(std::string(error.what()).find((directory / "config.json").string()), std::string::npos)
          << error.what();
    }
  }
}

TEST(ModelConfigRefusals, GenerationConfigIsCheckedToo) {
  EXPECT_THROW(read_config(minimal_config(kLlama), {{"eos_token_id", 32000}}), FormatError);
}

TEST(ModelConfigRefusals, IgnoresWhatTransformersIgnores) {
  EXPECT_EQ(refusal_of(kLlama, {{"pretraining_tp", 2},
                                {"num_experts", nullptr},
                                {"num_local_experts", 0},
                                {"attention_dropout", 0.1},
                                {"use_cache", false},
                                {"unheard_of", {1, 2}},
                                {"quantization_config", nullptr},
                                {"sliding_window", 5}}),
            "");
}

}  // namespace
}  // namespace lockstep
