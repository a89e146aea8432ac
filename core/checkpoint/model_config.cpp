#include "core/checkpoint/model_config.h"

#include "core/checkpoint/rope_config.h"
#include "core/error.h"

#include <nlohmann/json.hpp>

namespace lockstep {

std::string_view name_of(Architecture architecture) {
  switch (architecture) {
    case Architecture::kLlama: return "llama";
    case Architecture::kMistral: return "mistral";
    case Architecture::kQwen2: return "qwen2";
    case Architecture::kQwen3: return "qwen3";
  }
  return "?";
}

int64_t ModelConfig::window_of(LayerId layer) const {
  LS_CHECK(layer.value() >= 0 && layer.value() < num_layers, "layer {} of {}", layer.value(), num_layers);
  const bool slides = layer_is_sliding.empty() ? layer.value() >= full_attention_layers
                                               : layer_is_sliding[static_cast<size_t>(layer.value())];
  return slides ? sliding_window : 0;
}

int64_t ModelConfig::num_parameters() const {
  const int64_t query = num_heads * head_dim;
  const int64_t kv = num_kv_heads * head_dim;
  int64_t layer = hidden_size * (query + 2 * kv) + query * hidden_size + 3 * hidden_size * intermediate_size;
  layer += 2 * hidden_size;  // the two norms
  if (qkv_bias) layer += query + 2 * kv;
  if (output_bias) layer += hidden_size;
  if (mlp_bias) layer += 2 * intermediate_size + hidden_size;
  if (qk_norm) layer += 2 * head_dim;
  return vocab_size * hidden_size * (tie_word_embeddings ? 1 : 2) + num_layers * layer + hidden_size;
}

std::string ModelConfig::canonical_json() const {
  nlohmann::ordered_json rope{{"kind", name_of(rope_scaling.kind)},
                              {"factor", rope_scaling.factor},
                              {"low_freq_factor", rope_scaling.low_freq_factor},
                              {"high_freq_factor", rope_scaling.high_freq_factor},
                              {"original_max_positions", rope_scaling.original_max_positions},
                              {"beta_fast", rope_scaling.beta_fast},
                              {"beta_slow", rope_scaling.beta_slow},
                              {"attention_factor", nullptr},
                              {"mscale", rope_scaling.mscale},
                              {"mscale_all_dim", rope_scaling.mscale_all_dim},
                              {"truncate", rope_scaling.truncate}};
  if (rope_scaling.attention_factor) rope["attention_factor"] = *rope_scaling.attention_factor;
  nlohmann::ordered_json json{{"architecture", name_of(architecture)},
                              {"hidden_size", hidden_size},
                              {"intermediate_size", intermediate_size},
                              {"num_layers", num_layers},
                              {"num_heads", num_heads},
                              {"num_kv_heads", num_kv_heads},
                              {"head_dim", head_dim},
                              {"vocab_size", vocab_size},
                              {"max_positions", max_positions},
                              {"rms_norm_eps", rms_norm_eps},
                              {"rope_theta", rope_theta},
                              {"rope_scaling", std::move(rope)},
                              {"tie_word_embeddings", tie_word_embeddings},
                              {"qkv_bias", qkv_bias},
                              {"output_bias", output_bias},
                              {"mlp_bias", mlp_bias},
                              {"qk_norm", qk_norm},
                              {"sliding_window", sliding_window},
                              {"full_attention_layers", full_attention_layers},
                              {"layer_is_sliding", layer_is_sliding},
                              {"dtype", lockstep::name_of(dtype)},
                              {"bos_token", nullptr},
                              {"eos_tokens", nlohmann::ordered_json::array()}};
  if (bos_token) json["bos_token"] = bos_token->value();
  for (const TokenId token : eos_tokens) json["eos_tokens"].push_back(token.value());
  return json.dump();
}

}  // namespace lockstep
