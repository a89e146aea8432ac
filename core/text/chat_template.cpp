#include "core/text/chat_template.h"

#include "core/error.h"
#include "core/text/chat_template_files.h"
#include "core/text/jinja/template.h"

#include <algorithm>
#include <map>

namespace lockstep {
namespace {

using Json = nlohmann::ordered_json;

/// Names under which a message carries its reasoning; the first is the one that templates read.
constexpr const char* kReasoningFields[] = {"reasoning_content", "thinking", "reasoning"};

Json without_nulls(const Json& message) {
  Json kept = Json::object();
  for (const auto& [key, value] : message.items())
    if (!value.is_null()) kept[key] = value;
  return kept;
}

Json with_reasoning_aliases(Json message) {
  const auto field = std::find_if(std::begin(kReasoningFields), std::end(kReasoningFields),
                                  [&](const char* name) { return message.contains(name); });
  if (field == std::end(kReasoningFields)) return message;
  const Json reasoning = message[*field];
  Json aliased = Json::object();
  aliased["thinking"] = reasoning;
  for (const auto& [key, value] : message.items()) aliased[key] = value;
  aliased["reasoning_content"] = reasoning;
  return aliased;
}

Json prepared_messages(const Json& messages) {
  LS_REQUIRE(ChatTemplateError, messages.is_array(), "messages are {}; a list of objects is expected",
             messages.type_name());
  LS_REQUIRE(ChatTemplateError, !messages.empty(), "the conversation has no messages; at least one is expected");
  Json prepared = Json::array();
  for (const Json& message : messages) {
    LS_REQUIRE(ChatTemplateError, message.is_object(), "message {} is {}; an object is expected", prepared.size(),
               message.type_name());
    prepared.push_back(with_reasoning_aliases(without_nulls(message)));
  }
  return prepared;
}

void check_tools(const Json& tools) {
  const bool is_list =
      tools.is_array() && std::all_of(tools.begin(), tools.end(), [](const Json& tool) { return tool.is_object(); });
  LS_REQUIRE(ChatTemplateError, tools.is_null() || is_list, "tools are {}; a list of objects or null is expected",
             tools.is_array() ? "a list of something else" : tools.type_name());
}

}  // namespace

struct ChatTemplate::Content {
  std::map<std::string, jinja::Template> templates;
  std::vector<std::pair<std::string, std::string>> special_tokens;
  Hash128 fingerprint;

  Content(const std::vector<ChatTemplateText>& texts, std::vector<std::pair<std::string, std::string>> tokens)
      : special_tokens(std::move(tokens)) {
    // Each part is chained by itself, so where one ends and the next begins counts as well.
    for (const ChatTemplateText& text : texts) {
      templates.try_emplace(text.name, text.source, text.text);
      fingerprint = hash128(text.text, hash128(text.name, fingerprint));
    }
    for (const auto& [name, token] : special_tokens) fingerprint = hash128(token, hash128(name, fingerprint));
  }

  const jinja::Template& choose(bool has_tools) const {
    if (has_tools && templates.contains("tool_use")) return templates.at("tool_use");
    const auto found = templates.find("default");
    if (found != templates.end()) return found->second;
    std::vector<std::string> names;
    for (const auto& [name, unused] : templates) names.push_back(name);
    LS_THROW(ChatTemplateError, "the model has no chat template named \"default\"; it has: {}", fmt::join(names, ", "));
  }
};

std::optional<ChatTemplate> ChatTemplate::load(const std::filesystem::path& model_directory) {
  const std::vector<ChatTemplateText> texts = find_chat_templates(model_directory);
  if (texts.empty()) return std::nullopt;
  return ChatTemplate(std::make_shared<const Content>(texts, read_special_tokens(model_directory)));
}

ChatTemplate ChatTemplate::from_file(const std::filesystem::path& file, const std::filesystem::path& model_directory) {
  const std::vector<ChatTemplateText> texts{read_chat_template(file)};
  return ChatTemplate(std::make_shared<const Content>(texts, read_special_tokens(model_directory)));
}

std::string ChatTemplate::render(const ChatTemplateInput& input, const Clock& clock) const {
  check_tools(input.tools);
  LS_REQUIRE(ChatTemplateError, input.extra.is_null() || input.extra.is_object(),
             "template variables are {}; an object or null is expected", input.extra.type_name());
  Json variables = Json::object();
  for (const auto& [name, token] : content_->special_tokens) variables[name] = token;
  variables["documents"] = nullptr;
  if (input.extra.is_object()) {
    for (const auto& [name, value] : input.extra.items()) variables[name] = value;
  }
  for (const char* name : {"messages", "tools", "add_generation_prompt"})
    LS_REQUIRE(ChatTemplateError, !variables.contains(name), "template variable \"{}\" is set by the request itself",
               name);
  variables["messages"] = prepared_messages(input.messages);
  variables["tools"] = input.tools;
  variables["add_generation_prompt"] = input.add_generation_prompt;
  return content_->choose(!input.tools.is_null()).render(variables, clock);
}

Hash128 ChatTemplate::fingerprint() const { return content_->fingerprint; }

}  // namespace lockstep
