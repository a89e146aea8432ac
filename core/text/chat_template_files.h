// Where a model directory keeps its chat templates and special tokens.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace lockstep {

struct ChatTemplateText {
  std::string name;    // "default", "tool_use", …
  std::string source;  // the file, for messages
  std::string text;
};

/// chat_template.jinja and additional_chat_templates/<name>.jinja; without any of these, `chat_template` of
/// tokenizer_config.json: a string, or a list of {"name", "template"}. Empty if the directory has none.
/// Throws IoError, FormatError.
std::vector<ChatTemplateText> find_chat_templates(const std::filesystem::path& model_directory);

/// The template of a file that the user names. Throws IoError.
ChatTemplateText read_chat_template(const std::filesystem::path& file);

/// bos_token, eos_token, unk_token, sep_token, pad_token, cls_token and mask_token, those that are set: from
/// tokenizer_config.json, and from special_tokens_map.json where the former has no `added_tokens_decoder`, as in
/// transformers. Throws IoError, FormatError.
std::vector<std::pair<std::string, std::string>> read_special_tokens(const std::filesystem::path& model_directory);

}  // namespace lockstep
