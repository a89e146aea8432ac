// What stands between text and the engine's token ids: tokenizer, chat template, and defaults of requests. A replica's
// leader has one.
#pragma once

#include "core/checkpoint/model_config.h"
#include "core/text/chat_template.h"
#include "core/text/tokenizer.h"
#include "launcher/batch/request_defaults.h"

#include <memory>
#include <optional>
#include <string>

namespace lockstep {

struct TextOptions {
  /// A Jinja file instead of the model's own template; "" = the model's own.
  std::string chat_template;
  bool ignore_generation_config = false;
};

struct TextModel {
  /// Throws: IoError, FormatError, ConfigError naming file and key; ConfigError if tokenizer and model do not belong
  ///         together.
  TextModel(const std::string& model_directory, const ModelConfig& model, const TextOptions& options);

  std::unique_ptr<Tokenizer> tokenizer;
  std::optional<ChatTemplate> chat_template;
  RequestDefaults defaults;
};

}  // namespace lockstep
