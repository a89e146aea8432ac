#include "core/checkpoint/json_reader.h"

#include "core/error.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <unordered_set>

namespace lockstep {
namespace {

using Json = nlohmann::json;

constexpr int kMaxDepth = 64;  // real files nest three deep; the bound keeps recursive users of the value safe
constexpr std::streamoff kMaxFileBytes = 100'000'000;  // the bound of safetensors headers, for every JSON file
constexpr size_t kMaxShownBytes = 160;

std::string cut(std::string text) {
  if (text.size() <= kMaxShownBytes) return text;
  return text.substr(0, kMaxShownBytes) + "…";
}

bool is_integer_in(const Json& value, int64_t min, int64_t max) {
  if (!value.is_number_integer()) return false;
  if (value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) return false;
  const int64_t integer = value.get<int64_t>();
  return integer >= min && integer <= max;
}

}  // namespace

Json parse_json_object(std::string_view text, const std::string& source) {
  std::vector<std::unordered_set<std::string>> open_objects;
  const auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
    switch (event) {
      case Json::parse_event_t::object_start: open_objects.emplace_back(); [[fallthrough]];
      case Json::parse_event_t::array_start:
        LS_REQUIRE(FormatError, depth < kMaxDepth, "{}: JSON nested deeper than {}", source, kMaxDepth);
        break;
      case Json::parse_event_t::object_end: open_objects.pop_back(); break;
      case Json::parse_event_t::key:
        LS_REQUIRE(FormatError, open_objects.back().insert(parsed.get<std::string>()).second,
                   "{}: key {} occurs twice in one object", source, shown(parsed));
        break;
      default: break;
    }
    return true;
  };
  Json value;
  try {
    value = Json::parse(text.begin(), text.end(), watch);
  } catch (const Json::exception& error) {
    LS_THROW(FormatError, "{}: not valid JSON: {}", source, cut(error.what()));
  }
  LS_REQUIRE(FormatError, value.is_object(), "{}: a JSON object is expected, found {}", source, shown(value));
  return value;
}

Json read_json_file(const std::filesystem::path& path) {
  std::error_code ignored;
  LS_REQUIRE(IoError, !std::filesystem::is_directory(path, ignored), "cannot read {}: it is a directory",
             path.string());
  std::ifstream stream(path, std::ios::binary | std::ios::ate);
  LS_REQUIRE(IoError, stream.is_open(), "cannot open {}: {}", path.string(), std::strerror(errno));
  const std::streamoff bytes = stream.tellg();
  LS_REQUIRE(IoError, bytes >= 0, "cannot read {}", path.string());
  LS_REQUIRE(FormatError, bytes <= kMaxFileBytes, "{}: {} bytes of JSON; at most {} are accepted", path.string(), bytes,
             kMaxFileBytes);
  std::string text(static_cast<size_t>(bytes), '\0');
  stream.seekg(0);
  stream.read(text.data(), bytes);
  LS_REQUIRE(IoError, stream.good() && stream.gcount() == bytes, "cannot read {}: {} of {} bytes came", path.string(),
             stream.gcount(), bytes);
  return parse_json_object(text, path.string());
}

bool is_present(const std::filesystem::path& path) noexcept {
  std::error_code error;
  return std::filesystem::status(path, error).type() != std::filesystem::file_type::not_found;
}

std::string shown(const Json& value) { return cut(value.dump(-1, ' ', false, Json::error_handler_t::replace)); }

JsonObject::JsonObject(const Json& object, std::string source, std::string prefix)
    : object_(&object), source_(std::move(source)), prefix_(std::move(prefix)) {
  LS_REQUIRE(FormatError, object.is_object(), "{}: found {}; accepted: an object", source_, shown(object));
}

bool JsonObject::mentions(const char* key) const { return object_->contains(key); }

const Json* JsonObject::find(const char* key) const {
  const auto found = object_->find(key);
  return found == object_->end() || found->is_null() ? nullptr : &*found;
}

const Json& JsonObject::require(const char* key) const {
  const Json* value = find(key);
  LS_REQUIRE(FormatError, value != nullptr, "{}: {}{} is missing", source_, prefix_, key);
  return *value;
}

void JsonObject::refuse(const char* key, std::string_view accepted) const {
  const Json* value = find(key);
  LS_THROW(FormatError, "{}: {}{} is {}; accepted: {}", source_, prefix_, key, value ? shown(*value) : "null",
           accepted);
}

int64_t JsonObject::integer(const char* key, int64_t min, int64_t max, std::optional<int64_t> fallback) const {
  if (fallback && !has(key)) return *fallback;
  const Json& value = require(key);
  if (!is_integer_in(value, min, max)) refuse(key, fmt::format("an integer from {} to {}", min, max));
  return value.get<int64_t>();
}

double JsonObject::number(const char* key, double min, double max, std::optional<double> fallback) const {
  if (fallback && !has(key)) return *fallback;
  const Json& value = require(key);
  const double number = value.is_number() ? value.get<double>() : std::nan("");
  if (!(number >= min && number <= max)) refuse(key, fmt::format("a number from {} to {}", min, max));
  return number;
}

bool JsonObject::boolean(const char* key, bool fallback) const {
  const Json* value = find(key);
  if (!value) return fallback;
  if (!value->is_boolean()) refuse(key, "true, false");
  return value->get<bool>();
}

std::string JsonObject::text(const char* key, std::optional<std::string> fallback) const {
  if (fallback && !has(key)) return *fallback;
  const Json& value = require(key);
  if (!value.is_string()) refuse(key, "a string");
  return value.get<std::string>();
}

std::vector<int64_t> JsonObject::integers(const char* key, int64_t min, int64_t max) const {
  const Json* value = find(key);
  if (!value) return {};
  const Json list = value->is_array() ? *value : Json::array({*value});
  std::vector<int64_t> out;
  for (const Json& item : list) {
    if (!is_integer_in(item, min, max)) refuse(key, fmt::format("integers from {} to {}, one or a list", min, max));
    out.push_back(item.get<int64_t>());
  }
  return out;
}

std::vector<std::string> JsonObject::texts(const char* key) const {
  const Json* value = find(key);
  if (!value) return {};
  if (!value->is_array()) refuse(key, "a list of strings");
  std::vector<std::string> out;
  for (const Json& item : *value) {
    if (!item.is_string()) refuse(key, "a list of strings");
    out.push_back(item.get<std::string>());
  }
  return out;
}

JsonObject JsonObject::object(const char* key) const {
  const Json& value = require(key);
  if (!value.is_object()) refuse(key, "an object");
  return JsonObject(value, source_, prefix_ + key + ".");
}

std::vector<JsonObject> JsonObject::objects(const char* key) const {
  const Json& list = require(key);
  if (!list.is_array()) refuse(key, "a list of objects");
  std::vector<JsonObject> out;
  for (size_t i = 0; i < list.size(); ++i)
    out.emplace_back(list[i], source_, fmt::format("{}{}[{}].", prefix_, key, i));
  return out;
}

std::string JsonObject::place(std::string_view key) const { return fmt::format("{}: {}{}", source_, prefix_, key); }

void JsonObject::allow_only(std::initializer_list<std::string_view> keys) const {
  for (const auto& item : object_->items())
    LS_REQUIRE(FormatError, std::find(keys.begin(), keys.end(), item.key()) != keys.end(),
               "{}: {}{} is not supported; accepted keys: {}", source_, prefix_, item.key(), fmt::join(keys, ", "));
}

}  // namespace lockstep
