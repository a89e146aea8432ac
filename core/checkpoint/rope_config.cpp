#include "core/checkpoint/rope_config.h"

#include "core/error.h"

#include <nlohmann/json.hpp>

namespace lockstep {
namespace {

constexpr double kDefaultTheta = 10000.0;
constexpr double kMinTheta = 2.0;   // yarn divides by its logarithm
constexpr double kMaxTheta = 1e15;  // beyond any trained base; keeps powers of it finite
constexpr double kMaxFactor = 1e6;  // of context extension: more than a million times is a typing error
constexpr double kMaxRotations = 1e6;
constexpr int64_t kMaxPositions = int64_t{1} << 30;  // positions are 32-bit

/// The object that holds the scaling, if any. A non-empty rope_scaling wins over rope_parameters.
std::optional<JsonObject> scaling_object(const JsonObject& json) {
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    const nlohmann::json* value = json.find(key);
    if (!value) continue;
    const JsonObject object = json.object(key);
    for (const char* layers : {"full_attention", "sliding_attention"})
      if (object.has(layers)) object.refuse(layers, "one set of RoPE parameters for all layers");
    if (!value->empty()) return object;
  }
  return std::nullopt;
}

RopeScalingKind read_kind(const JsonObject& object) {
  const char* key = object.has("rope_type") ? "rope_type" : "type";
  const std::string text = object.text(key, "default");
  if (text == "default") return RopeScalingKind::kNone;
  for (const auto kind : {RopeScalingKind::kLinear, RopeScalingKind::kLlama3, RopeScalingKind::kYarn})
    if (text == name_of(kind)) return kind;
  object.refuse(key, "default, linear, llama3, yarn");
}

int64_t original_max_positions(const JsonObject& json, const JsonObject& object, int64_t max_positions) {
  constexpr const char* kKey = "original_max_position_embeddings";
  if (json.has(kKey)) return json.integer(kKey, 1, kMaxPositions);
  return object.integer(kKey, 1, kMaxPositions, max_positions);
}

void read_llama3(const JsonObject& object, RopeScaling& scaling) {
  scaling.factor = object.number("factor", 1.0, kMaxFactor);
  scaling.low_freq_factor = object.number("low_freq_factor", 1e-6, kMaxFactor);
  scaling.high_freq_factor = object.number("high_freq_factor", 1e-6, kMaxFactor);
  if (!(scaling.high_freq_factor > scaling.low_freq_factor))
    object.refuse("high_freq_factor", fmt::format("more than low_freq_factor, which is {}", scaling.low_freq_factor));
}

void read_yarn(const JsonObject& object, int64_t max_positions, RopeScaling& scaling) {
  const double ratio = static_cast<double>(max_positions) / static_cast<double>(scaling.original_max_positions);
  scaling.factor = object.number("factor", 1.0, kMaxFactor, ratio);
  if (scaling.factor < 1.0)
    object.refuse("factor", "a number of at least 1, as max_position_embeddings is below the original positions");
  // Zero means "not given" for these, as transformers reads them.
  const double beta_fast = object.number("beta_fast", 0.0, kMaxRotations, 0.0);
  const double beta_slow = object.number("beta_slow", 0.0, kMaxRotations, 0.0);
  if (beta_fast != 0.0) scaling.beta_fast = beta_fast;
  if (beta_slow != 0.0) scaling.beta_slow = beta_slow;
  if (scaling.beta_fast < scaling.beta_slow)
    object.refuse("beta_fast", fmt::format("at least beta_slow, which is {}", scaling.beta_slow));
  if (object.has("attention_factor")) scaling.attention_factor = object.number("attention_factor", 0.0, kMaxFactor);
  scaling.mscale = object.number("mscale", 0.0, kMaxFactor, 0.0);
  scaling.mscale_all_dim = object.number("mscale_all_dim", 0.0, kMaxFactor, 0.0);
  scaling.truncate = object.boolean("truncate", true);
}

void require_whole_rotation(const JsonObject& object) {
  if (object.number("partial_rotary_factor", 0.0, 1.0, 1.0) != 1.0) object.refuse("partial_rotary_factor", "1");
}

}  // namespace

std::string_view name_of(RopeScalingKind kind) {
  switch (kind) {
    case RopeScalingKind::kNone: return "none";
    case RopeScalingKind::kLinear: return "linear";
    case RopeScalingKind::kLlama3: return "llama3";
    case RopeScalingKind::kYarn: return "yarn";
  }
  return "?";
}

void read_rope_config(const JsonObject& json, ModelConfig& config) {
  require_whole_rotation(json);
  config.rope_theta = json.number("rope_theta", kMinTheta, kMaxTheta, kDefaultTheta);
  RopeScaling& scaling = config.rope_scaling;
  if (const std::optional<JsonObject> object = scaling_object(json)) {
    require_whole_rotation(*object);
    config.rope_theta = object->number("rope_theta", kMinTheta, kMaxTheta, config.rope_theta);
    scaling.kind = read_kind(*object);
    if (scaling.kind == RopeScalingKind::kLlama3 || scaling.kind == RopeScalingKind::kYarn)
      scaling.original_max_positions = original_max_positions(json, *object, config.max_positions);
    if (scaling.kind == RopeScalingKind::kLinear) scaling.factor = object->number("factor", 1.0, kMaxFactor);
    if (scaling.kind == RopeScalingKind::kLlama3) read_llama3(*object, scaling);
    if (scaling.kind == RopeScalingKind::kYarn) read_yarn(*object, config.max_positions, scaling);
  }
}

}  // namespace lockstep
