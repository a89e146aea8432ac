// Architecture of a decoder model, as read from a Hugging Face config.json. Plain data, validated.
#pragma once

#include "core/dtype.h"
#include "core/ids.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

enum class Architecture : uint8_t { kLlama, kMistral, kQwen2, kQwen3 };
std::string_view name_of(Architecture architecture);

enum class RopeScalingKind : uint8_t { kNone, kLinear, kLlama3, kYarn };

/// `rope_scaling` of config.json. Fields that a kind does not use keep their defaults.
struct RopeScaling {
  RopeScalingKind kind = RopeScalingKind::kNone;
  double factor = 1.0;
  double low_freq_factor = 1.0;               // llama3
  double high_freq_factor = 4.0;              // llama3
  int64_t original_max_positions = 0;         // llama3, yarn
  double beta_fast = 32.0;                    // yarn
  double beta_slow = 1.0;                     // yarn
  std::optional<double> attention_factor;     // yarn: default 0.1 ln(factor) + 1
  double mscale = 0.0, mscale_all_dim = 0.0;  // yarn: used when both are set
  bool truncate = true;                       // yarn: round the correction range to whole dimensions
};

struct ModelConfig {
  Architecture architecture = Architecture::kLlama;
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;
  int64_t num_layers = 0;
  int64_t num_heads = 0;     // query heads
  int64_t num_kv_heads = 0;  // key/value heads; divides num_heads
  int64_t head_dim = 0;      // explicit, or hidden_size / num_heads
  int64_t vocab_size = 0;
  int64_t max_positions = 0;
  double rms_norm_eps = 1e-6;
  double rope_theta = 10000.0;
  RopeScaling rope_scaling;
  bool tie_word_embeddings = false;
  bool qkv_bias = false;
  bool output_bias = false;  // o_proj bias (Llama attention_bias)
  bool mlp_bias = false;
  bool qk_norm = false;
  /// Keys seen by a query, itself included; 0 = all. Per layer: see window_of().
  int64_t sliding_window = 0;
  /// Layers below this index attend fully (Qwen2 max_window_layers); the rest use sliding_window.
  int64_t full_attention_layers = 0;
  /// Explicit per-layer choice (`layer_types`), true = sliding; empty when the file has none.
  std::vector<bool> layer_is_sliding;
  /// `dtype` (older files: `torch_dtype`) of weights and activations; F32 where config.json names none, and then
  /// Checkpoint::open takes the stored dtype of the embedding.
  DType dtype = DType::kF32;
  std::optional<TokenId> bos_token;
  /// config.json's eos_token_id, replaced by generation_config.json's when that file names it.
  std::vector<TokenId> eos_tokens;

  /// Sliding window of `layer` in tokens, 0 = full attention.
  int64_t window_of(LayerId layer) const;
  /// Number of parameters, embeddings counted once when tied.
  int64_t num_parameters() const;
  /// Canonical single-line JSON of every field above: the part of a model's fingerprint that settings decide.
  std::string canonical_json() const;
};

/// Reads `directory`/config.json (and eos ids of generation_config.json if present). Keys that the file leaves out take
/// the defaults of the architecture in transformers; sizes of the model (hidden_size, …) have none.
/// Throws IoError if unreadable; FormatError naming file and key for a missing, mistyped or unsupported field, with the
/// accepted values. Known keys with values that would change results unnoticed (another hidden_act,
/// quantization_config, experts, …) are refused by name; keys that transformers ignores for the architecture are
/// ignored here.
ModelConfig read_model_config(const std::filesystem::path& directory);

/// True if `directory`/config.json names the dtype of the weights.
bool config_names_dtype(const std::filesystem::path& directory);

}  // namespace lockstep
