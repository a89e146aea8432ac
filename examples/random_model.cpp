#include "examples/random_model.h"

#include "core/error.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace lockstep::examples {
namespace {

using Json = nlohmann::ordered_json;

std::string utf8_of(uint32_t code_point) {
  if (code_point < 0x80) return {static_cast<char>(code_point)};
  return {static_cast<char>(0xc0 | (code_point >> 6)), static_cast<char>(0x80 | (code_point & 0x3f))};
}

/// The printable character that stands for each byte in byte-level vocabularies (GPT-2): itself where printable, else
/// the next one from U+0100 on.
std::vector<std::string> byte_characters() {
  std::vector<std::string> characters;
  uint32_t next = 0x100;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const bool is_printable = (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    characters.push_back(utf8_of(is_printable ? byte : next++));
  }
  return characters;
}

nlohmann::json special_token(int id, const char* content) {
  return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", true}};
}

}  // namespace

std::string config_json(const RandomModel& model) {
  Json json{{"architectures", Json::array()},
            {"model_type", model.architecture},
            {"hidden_act", "silu"},
            {"hidden_size", model.hidden},
            {"intermediate_size", model.ffn},
            {"num_hidden_layers", model.layers},
            {"num_attention_heads", model.heads},
            {"num_key_value_heads", model.kv_heads},
            {"vocab_size", model.vocab},
            {"max_position_embeddings", model.max_positions},
            {"rms_norm_eps", 1e-5},
            {"rope_theta", 500000.0},
            {"tie_word_embeddings", model.tie},
            {"torch_dtype", model.dtype},
            {"bos_token_id", kBosToken},
            {"eos_token_id", kEosToken}};
  json["head_dim"] = nullptr;
  if (model.head_dim != 0) json["head_dim"] = model.head_dim;
  if (model.architecture == "llama") {
    json["architectures"].push_back("LlamaForCausalLM");
  } else if (model.architecture == "mistral") {
    json["architectures"].push_back("MistralForCausalLM");
    json["sliding_window"] = nullptr;
  } else if (model.architecture == "qwen2") {
    json["architectures"].push_back("Qwen2ForCausalLM");
  } else if (model.architecture == "qwen3") {
    json["architectures"].push_back("Qwen3ForCausalLM");
  } else {
    LS_THROW(ConfigError, "--architecture is {}; accepted: llama, mistral, qwen2, qwen3", model.architecture);
  }
  return json.dump(2) + "\n";
}

std::string tokenizer_json(int64_t vocab) {
  LS_REQUIRE(ConfigError, vocab >= kLeastVocab, "--vocab is {}; accepted: at least {}", vocab, kLeastVocab);
  using Sorted = nlohmann::json;  // an ordered object would take quadratic time for the vocabulary
  Sorted ids{{"<|begin|>", kBosToken}, {"<|end|>", kEosToken}};
  int64_t id = kFirstByteToken;
  for (const std::string& character : byte_characters()) ids[character] = id++;
  for (; id < vocab; ++id) ids["<t" + std::to_string(id) + ">"] = id;
  const Sorted byte_level{
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  return Sorted{{"version", "1.0"},
                {"truncation", nullptr},
                {"padding", nullptr},
                {"added_tokens", {special_token(kBosToken, "<|begin|>"), special_token(kEosToken, "<|end|>")}},
                {"normalizer", nullptr},
                {"pre_tokenizer", byte_level},
                {"post_processor", nullptr},
                {"decoder", byte_level},
                {"model",
                 {{"type", "BPE"},
                  {"dropout", nullptr},
                  {"unk_token", nullptr},
                  {"continuing_subword_prefix", nullptr},
                  {"end_of_word_suffix", nullptr},
                  {"fuse_unk", false},
                  {"byte_fallback", false},
                  {"merges", Sorted::array()},
                  {"vocab", std::move(ids)}}}}
             .dump(1) +
         "\n";
}

std::string tokenizer_config_json() {
  return Json{{"tokenizer_class", "PreTrainedTokenizerFast"},
              {"bos_token", "<|begin|>"},
              {"eos_token", "<|end|>"},
              {"add_bos_token", false},
              {"add_eos_token", false}}
             .dump(2) +
         "\n";
}

int64_t WeightSpec::num_elements() const {
  int64_t count = 1;
  for (const int64_t dim : shape) count *= dim;
  return count;
}

std::vector<WeightSpec> weights_of(const ModelConfig& config) {
  const int64_t hidden = config.hidden_size;
  const int64_t query = config.num_heads * config.head_dim;
  const int64_t kv = config.num_kv_heads * config.head_dim;
  std::vector<WeightSpec> weights;
  const auto matrix = [&](const std::string& name, int64_t rows, int64_t columns, double gain) {
    weights.push_back({name + ".weight", {rows, columns}, 0.0, gain / std::sqrt(static_cast<double>(columns))});
  };
  const auto vector = [&](const std::string& name, int64_t size, double mean, double deviation) {
    weights.push_back({name, {size}, mean, deviation});
  };
  // Tied embeddings are logits weights too: scaled for those, as the first norm evens out the rest.
  const double embedding_gain = config.tie_word_embeddings ? 2.0 : std::sqrt(static_cast<double>(hidden));
  matrix("model.embed_tokens", config.vocab_size, hidden, embedding_gain);
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    const std::string prefix = "model.layers." + std::to_string(layer) + ".";
    const auto projection = [&](const std::string& name, int64_t rows, int64_t columns, double gain, bool bias) {
      matrix(prefix + name, rows, columns, gain);
      if (bias) vector(prefix + name + ".bias", rows, 0.0, 0.1);
    };
    vector(prefix + "input_layernorm.weight", hidden, 1.0, 0.1);
    projection("self_attn.q_proj", query, hidden, 1.5, config.qkv_bias);
    projection("self_attn.k_proj", kv, hidden, 1.5, config.qkv_bias);
    projection("self_attn.v_proj", kv, hidden, 1.0, config.qkv_bias);
    projection("self_attn.o_proj", hidden, query, 1.0, config.output_bias);
    if (config.qk_norm) vector(prefix + "self_attn.q_norm.weight", config.head_dim, 1.0, 0.1);
    if (config.qk_norm) vector(prefix + "self_attn.k_norm.weight", config.head_dim, 1.0, 0.1);
    vector(prefix + "post_attention_layernorm.weight", hidden, 1.0, 0.1);
    projection("mlp.gate_proj", config.intermediate_size, hidden, 1.0, config.mlp_bias);
    projection("mlp.up_proj", config.intermediate_size, hidden, 1.0, config.mlp_bias);
    projection("mlp.down_proj", hidden, config.intermediate_size, 1.0, config.mlp_bias);
  }
  vector("model.norm.weight", hidden, 1.0, 0.1);
  if (!config.tie_word_embeddings) matrix("lm_head", config.vocab_size, hidden, 1.5);
  return weights;
}

}  // namespace lockstep::examples
