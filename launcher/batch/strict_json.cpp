#include "launcher/batch/strict_json.h"

#include "launcher/batch/row_fault.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <unordered_set>
#include <vector>

namespace lockstep {
namespace {

using Json = nlohmann::ordered_json;

// Schemas of tools nest; the bound keeps recursive code (dump, destructors) off deep stacks.
constexpr int kMaxDepth = 64;
// An object that keeps its order looks keys up one by one.
constexpr size_t kMaxKeys = 4096;

template <class... Args>
[[noreturn]] void refuse_text(fmt::format_string<Args...> format, Args&&... args) {
  throw RowFault(kInvalidJson, fmt::format(format, std::forward<Args>(args)...));
}

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
    if (depth > kMaxDepth) refuse_text("{}JSON is nested deeper than {} levels", where, kMaxDepth);
    if (event == Json::parse_event_t::object_start) {
      open_objects.emplace_back();
    } else if (event == Json::parse_event_t::object_end) {
      open_objects.pop_back();
    } else if (event == Json::parse_event_t::key) {
      if (!open_objects.back().insert(value.get_ref<const std::string&>()).second)
        refuse_text("{}key {} occurs twice in one object", where, show_json(value));
      if (open_objects.back().size() > kMaxKeys) refuse_text("{}an object has more than {} keys", where, kMaxKeys);
    }
    return true;
  };
  Json document;
  try {
    document = Json::parse(text, check);
  } catch (const Json::exception& error) {
    refuse_text("{}not a JSON object in valid UTF-8: {}", where, reason_of(error));
  }
  if (!document.is_object()) refuse_text("{}expected a JSON object, found {}", where, show_json(document));
  return document;
}

std::string show_json(const Json& value) {
  constexpr size_t kMaxShown = 60;
  std::string text = value.dump(-1, ' ', /*ensure_ascii=*/true);
  if (text.size() > kMaxShown) text = text.substr(0, kMaxShown - 3) + "...";
  return text;
}

const Json* JsonFields::find(std::string_view key) const {
  const auto found = object_.find(std::string(key));
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
  throw RowFault(kInvalidValue, fmt::format("{}{} is {}; accepted: {}", where_, key,
                                            show_json(object_.at(std::string(key))), accepted));
}

void JsonFields::refuse_missing(std::string_view key, std::string_view accepted) const {
  throw RowFault(kMissingField, fmt::format("{}{} is missing; accepted: {}", where_, key, accepted));
}

}  // namespace lockstep
