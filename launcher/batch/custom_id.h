// The custom_id of a row's JSON text, without building the row. Functions are thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lockstep {

/// The value of the top-level key "custom_id"; "" if the row has none or null, which gives it a default. Nothing if the
/// row can have no id: it is not one valid JSON object, or custom_id is repeated, empty or no string.
std::optional<std::string> read_custom_id(std::string_view line);

/// The same for every text for which read_custom_id returns a value, without reading past the id (several hundred
/// MB/s); for other texts it may return anything. `storage` may come to hold what the result points to.
std::optional<std::string_view> scan_custom_id(std::string_view line, std::string& storage);

/// The id of a row that gives none: "request-<line number>".
std::string default_custom_id(int64_t line_number);

}  // namespace lockstep
