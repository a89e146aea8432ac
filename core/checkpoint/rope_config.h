// The rotary-embedding part of config.json: `rope_theta` with `rope_scaling`, or the newer `rope_parameters`.
#pragma once

#include "core/checkpoint/json_reader.h"
#include "core/checkpoint/model_config.h"

namespace lockstep {

/// Fills rope_theta and rope_scaling of `config`, whose max_positions is set. Both spellings of the kind (`rope_type`,
/// `type`) and of the object are understood, with the precedence that transformers gives them. Throws FormatError.
void read_rope_config(const JsonObject& json, ModelConfig& config);

std::string_view name_of(RopeScalingKind kind);

}  // namespace lockstep
