// How one value is laid out in a format string: sign, padding, precision and type.
#pragma once

#include "core/text/jinja/value.h"

#include <optional>
#include <string>
#include <string_view>

namespace lockstep::jinja {

struct FormatSpec {
  std::string fill = " ";
  char align = '\0';  // '<', '>', '^', '=' (between sign and digits), or the type's own
  char sign = '-';    // '+', ' ', or '-': only where negative
  bool alternate = false;
  bool thousands = false;
  int width = 0;
  std::optional<int> precision;
  char type = '\0';
};

inline constexpr int kMaxFormatWidth = 100'000;

/// `value` by `spec`. Throws Fault for a type that does not fit the value.
std::string formatted(const Value& value, const FormatSpec& spec, Budget& budget);

/// The part behind ":" of a replacement field. Throws Fault if it is malformed.
FormatSpec parse_format_spec(std::string_view text);

/// str.format(): replacement fields {}, {0}, {name}, {name.attribute}, {name[key]}, with !r, !s and a format spec.
std::string brace_format(std::string_view format, const std::vector<Value>& positional,
                         const std::vector<std::pair<std::string, Value>>& named, Budget& budget);

}  // namespace lockstep::jinja
