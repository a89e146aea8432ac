// Models that are measured without being there: shapes known by name, and the list of weights that a shape has.
//
// `lockstep bench --shape NAME` and `--model synthetic:NAME` use them; Checkpoint::synthetic() makes the weights.
// Pure functions.
#pragma once

#include "core/checkpoint/model_config.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

/// Begins the path of a synthetic checkpoint; a shape follows.
inline constexpr std::string_view kSyntheticPrefix = "synthetic:";

/// What follows the prefix; nothing for the path of a real checkpoint.
std::optional<std::string> shape_in(std::string_view path);

/// A shape by name, or that of a config.json: the file or its directory. The files of the published models:
/// llama-3-8b and llama-3-70b are those of Llama 3.1 (131,072 positions). Throws ConfigError naming the known shapes;
/// FormatError as read_model_config().
ModelConfig config_of_shape(const std::string& shape);
/// The known names, comma-separated.
std::string shape_names();

struct WeightShape {
  std::string name;
  std::vector<int64_t> shape;
  bool is_norm = false;  // values near 1, not near 0

  int64_t num_elements() const;
};

/// Every weight that the decoder asks for, by its Hugging Face name.
std::vector<WeightShape> weight_shapes(const ModelConfig& config);

}  // namespace lockstep
