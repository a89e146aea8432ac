#include "launcher/batch/chat_fields.h"

#include "core/text/chat_template.h"
#include "launcher/batch/row_fault.h"

#include <nlohmann/json.hpp>

namespace lockstep {
namespace {

using Json = nlohmann::ordered_json;

[[noreturn]] void refuse(std::string_view code, const std::string& name, const Json& value, std::string_view accepted) {
  throw RowFault(code, fmt::format("{} is {}; accepted: {}", name, show_json(value), accepted));
}

/// Content in parts becomes one text, its parts on lines of their own, as vLLM does for templates that expect text.
Json flat_content(const std::string& name, const Json& parts) {
  std::string text;
  for (size_t i = 0; i < parts.size(); ++i) {
    const Json& part = parts[i];
    const std::string part_name = fmt::format("{}[{}]", name, i);
    const bool is_text = part.is_object() && part.contains("type") && part["type"] == "text";
    if (!is_text) refuse(kUnsupportedField, part_name, part, "parts of type \"text\"");
    if (!part.contains("text") || !part["text"].is_string())
      refuse(kInvalidValue, part_name, part, "{\"type\": \"text\", \"text\": a string}");
    text += (i > 0 ? "\n" : "") + part["text"].get<std::string>();
  }
  return text;
}

/// The API carries arguments as JSON text; templates expect the object.
void open_arguments(const std::string& name, Json& calls) {
  if (!calls.is_array()) refuse(kInvalidValue, name, calls, "a list of tool calls");
  for (size_t i = 0; i < calls.size(); ++i) {
    Json& call = calls[i];
    const std::string call_name = fmt::format("{}[{}]", name, i);
    if (!call.is_object() || !call.contains("function") || !call["function"].is_object())
      refuse(kInvalidValue, call_name, call, "an object with \"function\"");
    if (!call["function"].contains("arguments")) continue;
    Json& arguments = call["function"]["arguments"];
    if (!arguments.is_string()) continue;
    const std::string text = arguments.get<std::string>();
    arguments = text.empty() ? Json::object() : parse_strict_json(text, call_name + ".function.arguments: ");
  }
}

Json read_message(const std::string& name, const Json& message) {
  if (!message.is_object()) refuse(kInvalidValue, name, message, "an object with \"role\" and \"content\"");
  if (!message.contains("role"))
    throw RowFault(kMissingField, fmt::format("{}.role is missing; accepted: a string", name));
  if (!message["role"].is_string()) refuse(kInvalidValue, name + ".role", message["role"], "a string");
  Json read = message;
  if (read.contains("content")) {
    Json& content = read["content"];
    if (content.is_array()) {
      content = flat_content(name + ".content", content);
    } else if (!content.is_string() && !content.is_null()) {
      refuse(kInvalidValue, name + ".content", content, "a string, a list of text parts, or null");
    }
  } else if (!read.contains("tool_calls")) {
    throw RowFault(kMissingField,
                   fmt::format("{}.content is missing; accepted: a string or a list of text parts", name));
  }
  if (read.contains("tool_calls") && !read["tool_calls"].is_null())
    open_arguments(name + ".tool_calls", read["tool_calls"]);
  return read;
}

/// Tools for the template; null where there are none or the row forbids them.
Json read_tools(const JsonFields& fields) {
  const Json* choice = fields.find("tool_choice");
  if (choice && *choice != "auto" && *choice != "none")
    throw RowFault(kUnsupportedField, fmt::format("{}tool_choice is {}, which is not supported; accepted: \"auto\" or "
                                                  "\"none\"",
                                                  fields.where(), show_json(*choice)));
  const Json* tools = fields.find("tools");
  if (!tools) return nullptr;
  constexpr std::string_view kAccepted = "a list of objects";
  if (!tools->is_array()) fields.refuse("tools", kAccepted);
  for (const Json& tool : *tools)
    if (!tool.is_object()) fields.refuse("tools", kAccepted);
  const bool has_tools = !tools->empty() && !(choice && *choice == "none");
  return has_tools ? *tools : Json(nullptr);
}

}  // namespace

std::shared_ptr<const ChatTemplateInput> read_chat(const JsonFields& fields) {
  constexpr std::string_view kAccepted = "a non-empty list of messages";
  const Json* messages = fields.find("messages");
  if (!messages) fields.refuse_missing("messages", kAccepted);
  if (!messages->is_array() || messages->empty()) fields.refuse("messages", kAccepted);

  auto input = std::make_shared<ChatTemplateInput>();
  input->messages = Json::array();
  for (size_t i = 0; i < messages->size(); ++i)
    input->messages.push_back(read_message(fmt::format("{}messages[{}]", fields.where(), i), (*messages)[i]));
  input->tools = read_tools(fields);
  if (const Json* extra = fields.find("chat_template_kwargs")) {
    if (!extra->is_object()) fields.refuse("chat_template_kwargs", "an object");
    input->extra = *extra;
  }
  input->add_generation_prompt = fields.get_bool("add_generation_prompt").value_or(true);
  return input;
}

}  // namespace lockstep
