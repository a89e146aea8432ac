// Reading JSON that others wrote: strict parsing, and typed access whose errors name file, key, value and what is
// accepted.
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

/// Parses one JSON object. Refuses syntax errors, duplicate keys, nesting deeper than 64 and anything but an object.
/// Throws FormatError; `source` (a file name, usually) starts its message.
nlohmann::json parse_json_object(std::string_view text, const std::string& source);

/// The same for a whole file of at most 100 MB. Throws IoError if it cannot be read.
nlohmann::json read_json_file(const std::filesystem::path& path);

/// True if something stands at `path`. Never throws: what cannot be inspected counts as present, so that opening it
/// tells the system's reason.
bool is_present(const std::filesystem::path& path) noexcept;

/// `value` as JSON text for a message, cut to a readable length.
std::string shown(const nlohmann::json& value);

/// A JSON object with the name of its file. A view: the value outlives it. Every getter throws FormatError.
/// A key whose value is null counts as absent, unless said otherwise.
class JsonObject {
 public:
  /// `prefix` leads key names in messages, e.g. "rope_scaling.".
  JsonObject(const nlohmann::json& object, std::string source, std::string prefix = "");

  bool has(const char* key) const { return find(key) != nullptr; }
  /// True if the key stands there, with null or a value.
  bool mentions(const char* key) const;
  /// Null if absent.
  const nlohmann::json* find(const char* key) const;

  /// An integer in [min, max]; `fallback` if absent, and an error if there is no fallback either.
  int64_t integer(const char* key, int64_t min, int64_t max, std::optional<int64_t> fallback = std::nullopt) const;
  /// A finite number in [min, max].
  double number(const char* key, double min, double max, std::optional<double> fallback = std::nullopt) const;
  bool boolean(const char* key, bool fallback) const;
  std::string text(const char* key, std::optional<std::string> fallback = std::nullopt) const;
  /// An integer or a list of integers, each in [min, max]; empty if absent.
  std::vector<int64_t> integers(const char* key, int64_t min, int64_t max) const;
  std::vector<std::string> texts(const char* key) const;
  JsonObject object(const char* key) const;
  /// A list of objects.
  std::vector<JsonObject> objects(const char* key) const;

  /// "<file>: <key>", to start a message with.
  std::string place(std::string_view key) const;
  /// Refuses any key but `keys`: one that is not known might change what the others mean.
  void allow_only(std::initializer_list<std::string_view> keys) const;
  /// Throws: "<file>: <key> is <value>; accepted: <accepted>".
  [[noreturn]] void refuse(const char* key, std::string_view accepted) const;

 private:
  const nlohmann::json& require(const char* key) const;

  const nlohmann::json* object_;
  std::string source_;
  std::string prefix_;
};

}  // namespace lockstep
