// The files of a made-up Hugging Face model: config.json, tokenizer.json and random weights in safetensors form.
#pragma once

#include "core/checkpoint/model_config.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace lockstep::examples {

/// The shape that the command line asks for.
struct RandomModel {
  std::string architecture = "llama";  // llama, mistral, qwen2, qwen3
  std::string dtype = "bfloat16";      // as config.json spells it
  int64_t hidden = 0, layers = 0, heads = 0, kv_heads = 0, head_dim = 0, ffn = 0, vocab = 0, max_positions = 0;
  bool tie = false;
};

/// Ids of the two special tokens; the 256 byte tokens follow.
inline constexpr int kBosToken = 0, kEosToken = 1, kFirstByteToken = 2;
inline constexpr int64_t kLeastVocab = kFirstByteToken + 256;

/// config.json. Throws ConfigError for an unknown architecture.
std::string config_json(const RandomModel& model);

/// A byte-level BPE without merges: text becomes one token a byte; ids beyond the bytes are fillers named "<t300>".
/// Throws ConfigError if `vocab` does not hold the bytes and the special tokens.
std::string tokenizer_json(int64_t vocab);
std::string tokenizer_config_json();

/// A weight by its Hugging Face name. Values are uniform around `mean` with standard deviation `deviation`.
struct WeightSpec {
  std::string name;
  std::vector<int64_t> shape;
  double mean = 0.0, deviation = 0.0;

  int64_t num_elements() const;
};

/// Every weight of the architecture, in the order of the layers; scaled so that activations stay near 1 and the next
/// token depends on the text.
std::vector<WeightSpec> weights_of(const ModelConfig& config);

/// Writes the weights as one safetensors file, in pieces of a few MB: memory does not grow with the model. A value is a
/// function of (seed, weight's place in the list, element) alone. Throws IoError.
void write_weights(const std::vector<WeightSpec>& weights, DType dtype, uint64_t seed,
                   const std::filesystem::path& path);

}  // namespace lockstep::examples
