// From a conversation to the text that a model was trained on: the chat template of a checkpoint, as
// transformers' apply_chat_template(tokenize=False) renders it. Supported language and limits: docs/chat-templates.md.
#pragma once

#include "core/hash.h"

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace lockstep {

/// What a request gives a template beside its messages.
struct ChatTemplateInput {
  nlohmann::ordered_json messages;  // array of {"role", "content", …}, not empty; the order of keys is kept
  nlohmann::ordered_json tools;     // array of objects, or null
  /// Further variables (enable_thinking, …): an object, or null. They replace special tokens of the same name, but may
  /// not be called messages, tools or add_generation_prompt.
  nlohmann::ordered_json extra;
  bool add_generation_prompt = true;
};

/// Immutable and cheap to copy.
class ChatTemplate {
 public:
  using Clock = std::function<std::chrono::system_clock::time_point()>;

  /// The checkpoint's own template; nullopt where it has none. Of several, "tool_use" serves inputs with tools and
  /// "default" the others, and those with tools where there is no "tool_use".
  /// Throws FormatError, IoError, and ChatTemplateError for a template that cannot be parsed.
  static std::optional<ChatTemplate> load(const std::filesystem::path& model_directory);

  /// A template of the user's; special tokens from the model directory. Throws as load().
  static ChatTemplate from_file(const std::filesystem::path& file, const std::filesystem::path& model_directory);

  /// Message fields that are null are left out, and a message's reasoning_content, thinking and reasoning stand for
  /// each other, as in transformers 5. Thread-safe. Throws ChatTemplateError: "<file>:<line>: …", also for what
  /// raise_exception() says.
  std::string render(const ChatTemplateInput& input, const Clock& clock = std::chrono::system_clock::now) const;

  /// Of all templates' texts and the special tokens: equal fingerprints render equally.
  Hash128 fingerprint() const;

 private:
  struct Content;
  explicit ChatTemplate(std::shared_ptr<const Content> content) : content_(std::move(content)) {}

  std::shared_ptr<const Content> content_;
};

}  // namespace lockstep
