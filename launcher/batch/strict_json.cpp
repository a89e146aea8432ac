#include "launcher/batch/strict_json.h"

#include "core/error.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <unordered_set>
#include <vector>

namespace lockstep {
namespace {

using Json = nlohmann::json;

// No field of a request nests deeper than 3; the bound keeps recursive code (dump, destructors) off deep stacks.
constexpr int kMaxDepth = 32;

/// The parser's own words without its prefix "[json.exception…] parse error at line 1, " and without raw input bytes.
std::string reason_of(const Json::exception& error) {
  std::string_view text = error.what();
  if (const size_t bracket = text.find("] "); bracket != text.npos) text.remove_prefix(bracket + 2);
  constexpr std::string_view kPrefix = "parse error at line 1, ";
  if (text.starts_with(kPrefix)) text.remove_prefix(kPrefix.size());
  return std::string(text.substr(0, text.find("; last read")));
}

}  // namespace

Json parse_strict_json(std::string_view text, const std::string& where) {
  std::vector<std::unordered_set<std::string>> open_objects;
  const auto check = [&](int depth, Json::parse_event_t event, Json& value) {
    LS_REQUIRE(FormatError, depth <= kMaxDepth, "{}JSON is nested deeper than {} levels", where, kMaxDepth);
    if (event == Json::parse_event_t::object_start) {
      open_objects.emplace_back();
    } else if (event == Json::parse_event_t::object_end) {
      open_objects.pop_back();
    } else if (event == Json::parse_event_t::key) {
      LS_REQUIRE(FormatError, open_objects.back().insert(value.get_ref<const std::string&>()).second,
                 "{}key {} occurs twice in one object", where, show_json(value));
    }
    return true;
  };
  Json document;
  try {
    document = Json::parse(text, check);
  } catch (const Json::exception& error) {
    LS_THROW(FormatError, "{}not a JSON object in valid UTF-8: {}", where, reason_of(error));
  }
  LS_REQUIRE(FormatError, document.is_object(), "{}expected a JSON object, found {}", where, show_json(document));
  return document;
}

std::string show_json(const Json& value) {
  constexpr size_t kMaxShown = 60;
  std::string text = value.dump(-1, ' ', /*ensure_ascii=*/true);
  if (text.size() > kMaxShown) text = text.substr(0, kMaxShown - 3) + "...";
  return text;
}

const Json* JsonFields::find(std::string_view key) const {
  const auto found = object_.find(key);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

std::optional<std::string> JsonFields::get_string(std::string_view key, std::string_view accepted) const {
  const Json* value = find(key);
  if (!value) return std::nullopt;
  if (!value->is_string()) refuse(key, accepted);
  return value->get<std::string>();
}

std::optional<bool> JsonFields::get_bool(std::string_view key) const {
  const Json* value = find(key);
  if (!value) return std::nullopt;
  if (!value->is_boolean()) refuse(key, "true or false");
  return value->get<bool>();
}

std::optional<int64_t> JsonFields::get_integer(std::string_view key, int64_t least, int64_t most) const {
  const Json* value = find(key);
  if (!value) return std::nullopt;
  const bool fits =
      value->is_number_integer() && !(value->is_number_unsigned() && value->get<uint64_t>() > uint64_t{INT64_MAX});
  if (!fits || value->get<int64_t>() < least || value->get<int64_t>() > most)
    refuse(key, fmt::format("an integer from {} to {}", least, most));
  return value->get<int64_t>();
}

std::optional<double> JsonFields::get_number(std::string_view key, double least, double most,
                                             std::string_view accepted) const {
  const Json* value = find(key);
  if (!value) return std::nullopt;
  if (!value->is_number()) refuse(key, accepted);
  const double number = value->get<double>();
  if (!std::isfinite(number) || number < least || number > most) refuse(key, accepted);
  return number;
}

void JsonFields::refuse(std::string_view key, std::string_view accepted) const {
  LS_THROW(ConfigError, "{}{} is {}; accepted: {}", where_, key, show_json(object_.at(std::string(key))), accepted);
}

void JsonFields::refuse_missing(std::string_view key, std::string_view accepted) const {
  LS_THROW(ConfigError, "{}{} is missing; accepted: {}", where_, key, accepted);
}

}  // namespace lockstep
