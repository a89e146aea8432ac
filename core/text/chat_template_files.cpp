#include "core/text/chat_template_files.h"

#include "core/checkpoint/json_reader.h"
#include "core/error.h"
#include "core/text/jinja/limits.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>

namespace lockstep {
namespace {

constexpr const char* kTokenNames[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                       "pad_token", "cls_token", "mask_token"};

std::optional<nlohmann::json> read_if_present(const std::filesystem::path& path) {
  if (!is_present(path)) return std::nullopt;
  return read_json_file(path);
}

void add_tokens(const nlohmann::json& json, const std::filesystem::path& path,
                std::vector<std::pair<std::string, std::string>>& tokens) {
  const JsonObject object(json, path.string());
  for (const char* name : kTokenNames) {
    const nlohmann::json* value = object.find(name);
    if (!value) continue;
    const std::string text = value->is_object() ? object.object(name).text("content") : object.text(name);
    const auto known =
        std::find_if(tokens.begin(), tokens.end(), [&](const auto& token) { return token.first == name; });
    if (known == tokens.end())
      tokens.emplace_back(name, text);
    else
      known->second = text;
  }
}

std::vector<ChatTemplateText> templates_of_config(const std::filesystem::path& path) {
  const std::optional<nlohmann::json> json = read_if_present(path);
  if (!json) return {};
  const JsonObject config(*json, path.string());
  const std::string place = path.filename().string() + ": ";
  const nlohmann::json* value = config.find("chat_template");
  if (!value) return {};
  if (value->is_string()) return {{"default", place + "chat_template", value->get<std::string>()}};
  if (!value->is_array()) config.refuse("chat_template", "a string, or a list of {\"name\", \"template\"}");
  std::vector<ChatTemplateText> templates;
  for (const JsonObject& entry : config.objects("chat_template")) {
    const std::string name = entry.text("name");
    templates.push_back({name, place + "chat_template \"" + name + "\"", entry.text("template")});
  }
  return templates;
}

}  // namespace

ChatTemplateText read_chat_template(const std::filesystem::path& file) {
  std::error_code ignored;
  LS_REQUIRE(IoError, !std::filesystem::is_directory(file, ignored), "cannot read {}: it is a directory",
             file.string());
  std::ifstream stream(file, std::ios::binary);
  LS_REQUIRE(IoError, stream.is_open(), "cannot open {}: {}", file.string(), std::strerror(errno));
  // One byte more than a template may have: enough for the parser to refuse it, whatever the size of the file.
  std::string text(jinja::kMaxSourceBytes + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  LS_REQUIRE(IoError, !stream.bad(), "cannot read {}", file.string());
  text.resize(static_cast<std::size_t>(stream.gcount()));
  // Without its directory: messages of a rendering are results, which do not depend on where a model lies.
  return {"default", file.filename().string(), std::move(text)};
}

std::vector<ChatTemplateText> find_chat_templates(const std::filesystem::path& model_directory) {
  std::vector<ChatTemplateText> templates;
  if (const auto file = model_directory / "chat_template.jinja"; is_present(file))
    templates.push_back(read_chat_template(file));
  if (const auto more = model_directory / "additional_chat_templates"; std::filesystem::is_directory(more)) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(more))
      if (entry.path().extension() == ".jinja") files.push_back(entry.path());
    std::sort(files.begin(), files.end());  // the order of a directory is not defined
    for (const std::filesystem::path& file : files) {
      templates.push_back(read_chat_template(file));
      templates.back().name = file.stem().string();
    }
  }
  return templates.empty() ? templates_of_config(model_directory / "tokenizer_config.json") : templates;
}

std::vector<std::pair<std::string, std::string>> read_special_tokens(const std::filesystem::path& model_directory) {
  std::vector<std::pair<std::string, std::string>> tokens;
  const std::filesystem::path config_path = model_directory / "tokenizer_config.json";
  const std::filesystem::path map_path = model_directory / "special_tokens_map.json";
  const std::optional<nlohmann::json> config = read_if_present(config_path);
  if (config) add_tokens(*config, config_path, tokens);
  if (config && config->contains("added_tokens_decoder")) return tokens;
  if (const auto map = read_if_present(map_path)) add_tokens(*map, map_path, tokens);
  return tokens;
}

}  // namespace lockstep
