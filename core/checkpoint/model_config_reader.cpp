#include "core/checkpoint/json_reader.h"
#include "core/checkpoint/model_config.h"
#include "core/checkpoint/rope_config.h"
#include "core/error.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace lockstep {
namespace {

// Bounds far above every known model and low enough that products of sizes stay within 64 bits.
constexpr int64_t kMaxHidden = int64_t{1} << 20;
constexpr int64_t kMaxIntermediate = int64_t{1} << 22;
constexpr int64_t kMaxLayers = 4096;
constexpr int64_t kMaxHeads = 16384;
constexpr int64_t kMaxHeadDim = 2048;
constexpr int64_t kMaxVocab = int64_t{1} << 24;
constexpr int64_t kMaxPositions = int64_t{1} << 30;  // positions are 32-bit

/// What transformers assumes for keys that a config.json leaves out.
struct Defaults {
  std::string_view architecture, model_type;
  int64_t max_positions;
  int64_t num_kv_heads;          // 0 = as many as query heads
  int64_t head_dim;              // 0 = hidden_size / num_heads
  int32_t bos_token, eos_token;  // -1 = none
};

const Defaults& defaults_of(Architecture architecture) {
  static constexpr Defaults kLlama{"LlamaForCausalLM", "llama", 2048, 0, 0, 1, 2};
  static constexpr Defaults kMistral{"MistralForCausalLM", "mistral", 4096 * 32, 8, 0, 1, 2};
  static constexpr Defaults kQwen2{"Qwen2ForCausalLM", "qwen2", 32768, 32, 0, -1, -1};
  static constexpr Defaults kQwen3{"Qwen3ForCausalLM", "qwen3", 32768, 32, 128, -1, -1};
  switch (architecture) {
    case Architecture::kLlama: return kLlama;
    case Architecture::kMistral: return kMistral;
    case Architecture::kQwen2: return kQwen2;
    case Architecture::kQwen3: return kQwen3;
  }
  LS_THROW(Error, "architecture {}", static_cast<int>(architecture));
}

constexpr Architecture kArchitectures[] = {Architecture::kLlama, Architecture::kMistral, Architecture::kQwen2,
                                           Architecture::kQwen3};

/// From `architectures`, else from `model_type`; both must agree where both stand.
Architecture read_architecture(const JsonObject& json) {
  const std::vector<std::string> names = json.texts("architectures");
  std::optional<Architecture> found;
  if (!names.empty()) {
    for (const Architecture candidate : kArchitectures)
      if (names.size() == 1 && names[0] == defaults_of(candidate).architecture) found = candidate;
    if (!found)
      json.refuse("architectures", R"(one of "LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM", )"
                                   R"("Qwen3ForCausalLM")");
    const std::string expected(defaults_of(*found).model_type);
    if (json.text("model_type", expected) != expected)
      json.refuse("model_type", fmt::format("\"{}\", as architectures is {}", expected, shown(names[0])));
    return *found;
  }
  const std::string model_type = json.text("model_type");
  for (const Architecture candidate : kArchitectures)
    if (model_type == defaults_of(candidate).model_type) return candidate;
  json.refuse("model_type", "\"llama\", \"mistral\", \"qwen2\", \"qwen3\"");
}

/// Keys that change what the model computes in ways that are not implemented.
void refuse_unsupported(const JsonObject& json, Architecture architecture) {
  for (const char* key : {"quantization_config", "compression_config"})
    if (json.has(key)) json.refuse(key, "none: weights are read as F32, F16 or BF16");
  for (const char* key : {"num_local_experts", "num_experts", "n_routed_experts", "moe_intermediate_size"})
    if (json.has(key) && *json.find(key) != 0) json.refuse(key, "none: only dense models are supported");
  if (json.boolean("is_encoder_decoder", false)) json.refuse("is_encoder_decoder", "false");
  const std::string activation = json.text("hidden_act", "silu");
  if (activation != "silu" && activation != "swish") json.refuse("hidden_act", "\"silu\"");
  if (architecture != Architecture::kLlama && json.boolean("mlp_bias", false)) json.refuse("mlp_bias", "false");
  if (architecture == Architecture::kMistral && json.boolean("attention_bias", false))
    json.refuse("attention_bias", "false");
}

void read_attention_shape(const JsonObject& json, const Defaults& defaults, ModelConfig& config) {
  config.num_heads = json.integer("num_attention_heads", 1, kMaxHeads);
  const bool kv_heads_follow = defaults.num_kv_heads == 0 || json.mentions("num_key_value_heads");
  config.num_kv_heads =
      json.integer("num_key_value_heads", 1, kMaxHeads, kv_heads_follow ? config.num_heads : defaults.num_kv_heads);
  if (config.num_heads % config.num_kv_heads != 0)
    json.refuse("num_attention_heads", fmt::format("a multiple of num_key_value_heads, {}", config.num_kv_heads));
  const bool head_dim_follows = defaults.head_dim == 0 || json.mentions("head_dim");
  if (!json.has("head_dim") && head_dim_follows && config.hidden_size % config.num_heads != 0)
    json.refuse("hidden_size",
                fmt::format("a multiple of num_attention_heads, {}, as head_dim is not given", config.num_heads));
  config.head_dim = json.integer("head_dim", 2, kMaxHeadDim,
                                 head_dim_follows ? config.hidden_size / config.num_heads : defaults.head_dim);
  if (config.head_dim % 2 != 0 || config.head_dim < 2 || config.head_dim > kMaxHeadDim)
    json.refuse(json.has("head_dim") ? "head_dim" : "hidden_size",
                fmt::format("an even head size from 2 to {}, found {}", kMaxHeadDim, config.head_dim));
}

void read_biases(const JsonObject& json, ModelConfig& config) {
  switch (config.architecture) {
    case Architecture::kLlama:
    case Architecture::kQwen3: config.qkv_bias = config.output_bias = json.boolean("attention_bias", false); break;
    case Architecture::kQwen2: config.qkv_bias = true; break;
    case Architecture::kMistral: break;
  }
  config.mlp_bias = json.boolean("mlp_bias", false);
  config.qk_norm = config.architecture == Architecture::kQwen3;
}

/// `layer_types`, checked against what the architecture does with it.
void read_layer_types(const JsonObject& json, ModelConfig& config) {
  const std::vector<std::string> types = json.texts("layer_types");
  if (types.empty()) return;
  if (static_cast<int64_t>(types.size()) != config.num_layers)
    json.refuse("layer_types", fmt::format("one entry a layer, {} entries", config.num_layers));
  std::vector<bool> sliding;
  for (const std::string& type : types) {
    if (type != "full_attention" && type != "sliding_attention")
      json.refuse("layer_types", "\"full_attention\", \"sliding_attention\"");
    sliding.push_back(type == "sliding_attention");
  }
  const bool any_sliding = std::find(sliding.begin(), sliding.end(), true) != sliding.end();
  const bool all_sliding = std::find(sliding.begin(), sliding.end(), false) == sliding.end();
  if (any_sliding && config.sliding_window == 0)
    json.refuse("layer_types", "no \"sliding_attention\" where no sliding window is in use");
  if (config.architecture == Architecture::kMistral && config.sliding_window != 0 && !all_sliding)
    json.refuse("layer_types", "\"sliding_attention\" for every layer, as sliding_window is set");
  config.layer_is_sliding = std::move(sliding);
}

void read_window(const JsonObject& json, ModelConfig& config) {
  const bool is_qwen = config.architecture == Architecture::kQwen2 || config.architecture == Architecture::kQwen3;
  const bool slides =
      config.architecture == Architecture::kMistral || (is_qwen && json.boolean("use_sliding_window", false));
  if (slides) {
    // Absent and null differ: null switches the window off, an absent key means the first models' window.
    const bool is_null = json.mentions("sliding_window") && !json.has("sliding_window");
    config.sliding_window = is_null ? 0 : json.integer("sliding_window", 1, kMaxPositions, 4096);
    if (is_qwen) config.full_attention_layers = json.integer("max_window_layers", 0, kMaxLayers, 28);
  }
  read_layer_types(json, config);
}

DType read_dtype(const JsonObject& json) {
  const char* key = json.has("dtype") ? "dtype" : "torch_dtype";
  std::string text = json.text(key, "float32");
  if (text.starts_with("torch.")) text = text.substr(6);
  if (text == "float32") return DType::kF32;
  if (text == "float16") return DType::kF16;
  if (text == "bfloat16") return DType::kBF16;
  json.refuse(key, "float32, float16, bfloat16");
}

std::vector<TokenId> read_eos(const JsonObject& json, int64_t vocab_size) {
  std::vector<TokenId> tokens;
  for (const int64_t id : json.integers("eos_token_id", 0, vocab_size - 1)) {
    const TokenId token(static_cast<int32_t>(id));
    if (std::find(tokens.begin(), tokens.end(), token) == tokens.end()) tokens.push_back(token);
  }
  return tokens;
}

void read_special_tokens(const JsonObject& json, const Defaults& defaults, const std::filesystem::path& directory,
                         ModelConfig& config) {
  const auto is_in_vocab = [&](int32_t token) { return token >= 0 && token < config.vocab_size; };
  if (json.has("bos_token_id"))
    config.bos_token = TokenId(static_cast<int32_t>(json.integer("bos_token_id", 0, config.vocab_size - 1)));
  else if (!json.mentions("bos_token_id") && is_in_vocab(defaults.bos_token))
    config.bos_token = TokenId(defaults.bos_token);
  config.eos_tokens = read_eos(json, config.vocab_size);
  if (!json.mentions("eos_token_id") && is_in_vocab(defaults.eos_token))
    config.eos_tokens = {TokenId(defaults.eos_token)};

  const std::filesystem::path path = directory / "generation_config.json";
  if (!is_present(path)) return;
  const nlohmann::json text = read_json_file(path);
  const JsonObject generation(text, path.string());
  if (generation.has("eos_token_id")) config.eos_tokens = read_eos(generation, config.vocab_size);
}

}  // namespace

ModelConfig read_model_config(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / "config.json";
  const nlohmann::json text = read_json_file(path);
  const JsonObject json(text, path.string());

  ModelConfig config;
  config.architecture = read_architecture(json);
  const Defaults& defaults = defaults_of(config.architecture);
  refuse_unsupported(json, config.architecture);
  config.hidden_size = json.integer("hidden_size", 1, kMaxHidden);
  config.intermediate_size = json.integer("intermediate_size", 1, kMaxIntermediate);
  config.num_layers = json.integer("num_hidden_layers", 1, kMaxLayers);
  config.vocab_size = json.integer("vocab_size", 1, kMaxVocab);
  config.max_positions = json.integer("max_position_embeddings", 1, kMaxPositions, defaults.max_positions);
  config.rms_norm_eps = json.number("rms_norm_eps", 0.0, 1.0, 1e-6);
  config.tie_word_embeddings = json.boolean("tie_word_embeddings", false);
  config.dtype = read_dtype(json);
  read_attention_shape(json, defaults, config);
  read_biases(json, config);
  read_rope_config(json, config);
  read_window(json, config);
  read_special_tokens(json, defaults, directory, config);
  return config;
}

bool config_names_dtype(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / "config.json";
  const nlohmann::json text = read_json_file(path);
  const JsonObject json(text, path.string());
  return json.has("dtype") || json.has("torch_dtype");
}

}  // namespace lockstep
