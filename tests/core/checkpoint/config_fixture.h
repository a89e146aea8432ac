// Model directories with a config.json made from a small valid one and a few changed keys.
#pragma once

#include "core/checkpoint/model_config.h"
#include "core/error.h"
#include "tests/support/temporary_directory.h"

#include <nlohmann/json.hpp>
#include <string>

namespace lockstep {

/// A valid config.json with sizes only, so that every other key takes its default.
inline nlohmann::json minimal_config(const std::string& architecture) {
  return {{"architectures", {architecture}}, {"hidden_size", 4096},       {"intermediate_size", 11008},
          {"num_hidden_layers", 32},         {"num_attention_heads", 32}, {"vocab_size", 32000}};
}

/// Reads the configuration that `json` (and, if given, a generation_config.json) describes.
inline ModelConfig read_config(const nlohmann::json& json, const nlohmann::json& generation = nullptr) {
  const testing_support::TemporaryDirectory directory;
  testing_support::write_file(directory / "config.json", json.dump());
  if (!generation.is_null()) testing_support::write_file(directory / "generation_config.json", generation.dump());
  return read_model_config(directory.path());
}

/// The minimal Llama configuration with some keys set.
inline ModelConfig read_llama(const nlohmann::json& changes) {
  nlohmann::json json = minimal_config("LlamaForCausalLM");
  json.update(changes);
  return read_config(json);
}

/// The message of the FormatError that reading throws, "" if it throws none.
inline std::string refusal_of(const std::string& architecture, const nlohmann::json& changes) {
  nlohmann::json json = minimal_config(architecture);
  json.update(changes);
  try {
    read_config(json);
  } catch (const FormatError& error) {
    return error.what();
  }
  return "";
}

}  // namespace lockstep
