#include "core/checkpoint/synthetic.h"
#include "core/error.h"

#include <array>

namespace lockstep {
namespace {

namespace fs = std::filesystem;

RopeScaling llama3_scaling(double factor) {
  RopeScaling scaling;
  scaling.kind = RopeScalingKind::kLlama3;
  scaling.factor = factor;
  scaling.original_max_positions = 8192;
  return scaling;
}

ModelConfig llama(int64_t hidden, int64_t ffn, int64_t layers, int64_t heads, int64_t head_dim) {
  ModelConfig config;
  config.hidden_size = hidden;
  config.intermediate_size = ffn;
  config.num_layers = layers;
  config.num_heads = heads;
  config.num_kv_heads = 8;
  config.head_dim = head_dim;
  config.vocab_size = 128256;
  config.max_positions = 131072;
  config.rms_norm_eps = 1e-5;
  config.rope_theta = 500000.0;
  config.rope_scaling = llama3_scaling(8.0);
  config.dtype = DType::kBF16;
  return config;
}

ModelConfig llama_8b() { return llama(4096, 14336, 32, 32, 128); }

ModelConfig llama_70b() { return llama(8192, 28672, 80, 64, 128); }

ModelConfig llama_1b() {
  ModelConfig config = llama(2048, 8192, 16, 32, 64);
  config.rope_scaling = llama3_scaling(32.0);
  config.tie_word_embeddings = true;
  return config;
}

ModelConfig qwen2_1_5b() {
  ModelConfig config = llama(1536, 8960, 28, 12, 128);
  config.architecture = Architecture::kQwen2;
  config.num_kv_heads = 2;
  config.vocab_size = 151936;
  config.rms_norm_eps = 1e-6;
  config.rope_theta = 1000000.0;
  config.rope_scaling = {};
  config.tie_word_embeddings = true;
  config.qkv_bias = true;
  return config;
}

// Small enough for a device that is emulated.
ModelConfig tiny() {
  ModelConfig config = llama(64, 128, 2, 8, 16);
  config.num_kv_heads = 2;
  config.vocab_size = 512;
  config.max_positions = 16384;
  config.rope_scaling = {};
  return config;
}

struct Known {
  std::string_view name;
  ModelConfig (*config)();
};
constexpr std::array kKnown{Known{"llama-3-8b", llama_8b}, Known{"llama-3.2-1b", llama_1b},
                            Known{"qwen2-1.5b", qwen2_1_5b}, Known{"llama-3-70b", llama_70b}, Known{"tiny", tiny}};

}  // namespace

std::optional<std::string> shape_in(std::string_view path) {
  if (!path.starts_with(kSyntheticPrefix)) return std::nullopt;
  return std::string(path.substr(kSyntheticPrefix.size()));
}

std::string shape_names() {
  std::string names;
  for (const Known& known : kKnown) names += (names.empty() ? "" : ", ") + std::string(known.name);
  return names;
}

ModelConfig config_of_shape(const std::string& shape) {
  for (const Known& known : kKnown)
    if (shape == known.name) return known.config();
  const fs::path path(shape);
  const fs::path directory = path.filename() == "config.json" ? path.parent_path() : path;
  std::error_code ignored;
  LS_REQUIRE(ConfigError, fs::is_regular_file((directory.empty() ? "." : directory) / "config.json", ignored),
             "shape '{}': accepted are {}, a config.json, or a directory that holds one", shape, shape_names());
  return read_model_config(directory.empty() ? "." : directory);
}

int64_t WeightShape::num_elements() const {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  return count;
}

std::vector<WeightShape> weight_shapes(const ModelConfig& config) {
  const int64_t hidden = config.hidden_size, ffn = config.intermediate_size;
  const int64_t query = config.num_heads * config.head_dim, kv = config.num_kv_heads * config.head_dim;
  std::vector<WeightShape> weights;
  const auto matrix = [&](const std::string& name, int64_t out, int64_t in, bool has_bias) {
    weights.push_back({name + ".weight", {out, in}});
    if (has_bias) weights.push_back({name + ".bias", {out}});
  };
  const auto norm = [&](const std::string& name, int64_t size) { weights.push_back({name + ".weight", {size}, true}); };

  matrix("model.embed_tokens", config.vocab_size, hidden, false);
  if (!config.tie_word_embeddings) matrix("lm_head", config.vocab_size, hidden, false);
  norm("model.norm", hidden);
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    const std::string prefix = fmt::format("model.layers.{}.", layer);
    norm(prefix + "input_layernorm", hidden);
    norm(prefix + "post_attention_layernorm", hidden);
    if (config.qk_norm) {
      norm(prefix + "self_attn.q_norm", config.head_dim);
      norm(prefix + "self_attn.k_norm", config.head_dim);
    }
    matrix(prefix + "self_attn.q_proj", query, hidden, config.qkv_bias);
    matrix(prefix + "self_attn.k_proj", kv, hidden, config.qkv_bias);
    matrix(prefix + "self_attn.v_proj", kv, hidden, config.qkv_bias);
    matrix(prefix + "self_attn.o_proj", hidden, query, config.output_bias);
    matrix(prefix + "mlp.gate_proj", ffn, hidden, config.mlp_bias);
    matrix(prefix + "mlp.up_proj", ffn, hidden, config.mlp_bias);
    matrix(prefix + "mlp.down_proj", hidden, ffn, config.mlp_bias);
  }
  return weights;
}

}  // namespace lockstep
