// JSON in and out: a request's values for a template, and the `tojson` filter.
#pragma once

#include "core/text/jinja/value.h"

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

namespace lockstep::jinja {

/// Keeps the order of keys; invalid UTF-8 becomes U+FFFD. Throws Fault for integers beyond 64 bits and for values
/// nested deeper than kMaxValueDepth.
Value from_json(const nlohmann::ordered_json& json, Budget& budget);

/// Arguments of Python's json.dumps().
struct JsonStyle {
  bool ensure_ascii = false;
  bool sort_keys = false;
  std::optional<std::string> indent;  // of one level; nullopt: all on one line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};

/// Throws Fault for what JSON cannot hold, such as an undefined value.
std::string to_json(const Value& value, const JsonStyle& style, Budget& budget);

}  // namespace lockstep::jinja
