// JSON text from a user, read strictly: valid UTF-8, no repeated keys, bounded nesting; keys checked for type and
// range.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace lockstep {

/// Parses one JSON object. Throws FormatError; messages start with `where`.
nlohmann::json parse_strict_json(std::string_view text, const std::string& where);

/// The value as JSON text for a message: ASCII, shortened to about 60 characters.
std::string show_json(const nlohmann::json& value);

/// Reads keys of one object. A null counts as not given. Throws ConfigError for a value of another type or range, with
/// a message of the form `<where><key> is <value>; accepted: <accepted>`.
class JsonFields {
 public:
  /// `object` must outlive this. `where` is the beginning of messages: "file:line: " or "file:line: body.".
  JsonFields(const nlohmann::json& object, std::string where) : object_(object), where_(std::move(where)) {}

  const std::string& where() const { return where_; }
  /// nullptr if not given.
  const nlohmann::json* find(std::string_view key) const;
  std::optional<std::string> get_string(std::string_view key, std::string_view accepted = "a string") const;
  std::optional<bool> get_bool(std::string_view key) const;
  std::optional<int64_t> get_integer(std::string_view key, int64_t least, int64_t most) const;
  /// A finite number in [least, most].
  std::optional<double> get_number(std::string_view key, double least, double most, std::string_view accepted) const;
  [[noreturn]] void refuse(std::string_view key, std::string_view accepted) const;
  [[noreturn]] void refuse_missing(std::string_view key, std::string_view accepted) const;

 private:
  const nlohmann::json& object_;
  std::string where_;
};

}  // namespace lockstep
