#include "core/text/tokenizer_config.h"

#include "core/checkpoint/file_mapping.h"
#include "core/checkpoint/json_reader.h"
#include "core/error.h"
#include "core/text/added_tokens.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

namespace lockstep {
namespace {

/// A token's name: a string, or an object whose `content` is the name.
std::optional<std::string> token_name(const JsonObject& config, const char* key) {
  const nlohmann::json* value = config.find(key);
  if (!value) return std::nullopt;
  if (value->is_object()) return config.object(key).text("content");
  return config.text(key);
}

AddedToken read_added_token(const JsonObject& entry, const std::string& id) {
  AddedToken token;
  int32_t number = -1;
  const char* end = id.data() + id.size();
  const auto [stop, error] = std::from_chars(id.data(), end, number);
  LS_REQUIRE(FormatError, error == std::errc() && stop == end && number >= 0 && number < (1 << 24),
             "{}: key \"{}\" is no token id; accepted: an integer from 0 to {}", entry.place("content"), id,
             (1 << 24) - 1);
  token.id = TokenId(number);
  token.content = entry.text("content");
  token.special = entry.boolean("special", false);
  token.lstrip = entry.boolean("lstrip", false);
  token.rstrip = entry.boolean("rstrip", false);
  token.single_word = entry.boolean("single_word", false);
  return token;
}

}  // namespace

TokenizerConfig read_tokenizer_config(const std::filesystem::path& directory, Hash128& fingerprint) {
  TokenizerConfig config;
  const std::filesystem::path path = directory / "tokenizer_config.json";
  if (!std::filesystem::exists(path)) return config;
  const FileMapping file(path);
  fingerprint = hash128(file.bytes(), fingerprint);
  const nlohmann::json json = parse_json_object(file.text(), path.string());
  const JsonObject object(json, path.string());
  config.bos_token = token_name(object, "bos_token");
  config.eos_token = token_name(object, "eos_token");
  config.add_bos_token = object.boolean("add_bos_token", config.add_bos_token);
  config.add_eos_token = object.boolean("add_eos_token", config.add_eos_token);
  if (object.has("added_tokens_decoder")) {
    const JsonObject tokens = object.object("added_tokens_decoder");
    for (const auto& [id, entry] : object.find("added_tokens_decoder")->items())
      config.added_tokens.push_back(read_added_token(tokens.object(id.c_str()), id));
    std::sort(config.added_tokens.begin(), config.added_tokens.end(),
              [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  }
  return config;
}

}  // namespace lockstep
