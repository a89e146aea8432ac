// JSON text from a user, read strictly: valid UTF-8, no repeated keys, bounded nesting; keys checked for type and
// range. Objects keep the order of their keys, which chat templates print.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace lockstep {

/// Parses one JSON object. Throws RowFault (invalid_json); messages start with `where`.
nlohmann::ordered_json parse_strict_json(std::string_view text, const std::string& where);

/// The value as JSON text for a message: ASCII, shortened to about 60 characters.
std::string show_json(const nlohmann::ordered_json& value);

/// Reads keys of one object. A null counts as not given. Throws RowFault (invalid_value, missing_field) with a message
/// of the form `<where><key> is <value>; accepted: <accepted>`.
class JsonFields {
 public:
  /// `object` must outlive this. `where` is the beginning of messages: "line 7: " or "line 7: body.".
  JsonFields(const nlohmann::ordered_json& object, std::string where) : object_(object), where_(std::move(where)) {}

  const nlohmann::ordered_json& object() const { return object_; }
  const std::string& where() const { return where_; }
  /// nullptr if not given.
  const nlohmann::ordered_json* find(std::string_view key) const;
  std::optional<std::string> get_string(std::string_view key, std::string_view accepted = "a string") const;
  std::optional<bool> get_bool(std::string_view key) const;
  std::optional<int64_t> get_integer(std::string_view key, int64_t least, int64_t most) const;
  /// A finite number in [least, most].
  std::optional<double> get_number(std::string_view key, double least, double most, std::string_view accepted) const;
  [[noreturn]] void refuse(std::string_view key, std::string_view accepted) const;
  [[noreturn]] void refuse_missing(std::string_view key, std::string_view accepted) const;

 private:
  const nlohmann::ordered_json& object_;
  std::string where_;
};

}  // namespace lockstep
