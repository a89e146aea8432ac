#include "core/text/jinja/format_spec.h"

#include "core/text/jinja/operators.h"
#include "core/text/jinja/text_form.h"
#include "core/text/jinja/unicode_text.h"
#include "core/text/utf8.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace lockstep::jinja {
namespace {

constexpr int kMaxPrecision = 1000;

std::string integer_digits(uint64_t magnitude, char type) {
  switch (type) {
    case 'x': return fmt::format("{:x}", magnitude);
    case 'X': return fmt::format("{:X}", magnitude);
    case 'o': return fmt::format("{:o}", magnitude);
    case 'b': return fmt::format("{:b}", magnitude);
    default: return std::to_string(magnitude);
  }
}

std::string float_digits(double magnitude, const FormatSpec& spec) {
  if (std::isnan(magnitude)) return "nan";
  if (std::isinf(magnitude)) return "inf";
  if (spec.type == '\0' && !spec.precision) return float_text(magnitude);
  const char type = spec.type == '%' ? 'f' : spec.type == '\0' ? 'g' : spec.type;
  const std::string pattern = std::string(spec.alternate ? "%#.*" : "%.*") + type;
  const double scaled = spec.type == '%' ? magnitude * 100 : magnitude;
  const int precision = spec.precision.value_or(6);
  const int bytes = std::snprintf(nullptr, 0, pattern.c_str(), precision, scaled);
  std::string text(static_cast<std::size_t>(bytes) + 1, '\0');
  std::snprintf(text.data(), text.size(), pattern.c_str(), precision, scaled);
  text.pop_back();
  return spec.type == '%' ? text + '%' : text;
}

void group_thousands(std::string& digits) {
  std::size_t end = digits.find_first_not_of("0123456789");
  if (end == std::string::npos) end = digits.size();
  for (std::size_t at = end; at > 3; at -= 3) digits.insert(at - 3, ",");
}

std::string padded(const std::string& sign, const std::string& body, const FormatSpec& spec, char own_align) {
  const int64_t used = count_code_points(sign) + count_code_points(body);
  const int64_t missing = std::max<int64_t>(0, spec.width - used);
  const char align = spec.align == '\0' ? own_align : spec.align;
  const int64_t before = align == '<' ? 0 : align == '^' ? missing / 2 : missing;
  std::string text;
  if (align == '=') text += sign;
  for (int64_t i = 0; i < before; ++i) text += spec.fill;
  if (align != '=') text += sign;
  text += body;
  for (int64_t i = before; i < missing; ++i) text += spec.fill;
  return text;
}

std::string formatted_number(const Value& value, const FormatSpec& spec) {
  const bool as_integer = value.is_integral() && std::string_view("eEfFgG%").find(spec.type) == std::string_view::npos;
  const bool is_negative = value.is_integral() ? value.integer() < 0 : std::signbit(value.real());
  std::string digits;
  if (as_integer || (value.is_integral() && spec.type == '\0')) {
    if (spec.precision) fail("a precision is not accepted for an int");
    const auto bits = static_cast<uint64_t>(value.integer());
    digits = integer_digits(is_negative ? ~bits + 1 : bits, spec.type);
    if (spec.alternate && (spec.type == 'x' || spec.type == 'X' || spec.type == 'o' || spec.type == 'b'))
      digits = std::string("0") + spec.type + digits;
  } else {
    digits = float_digits(std::abs(value.real()), spec);
  }
  if (spec.thousands) group_thousands(digits);
  const std::string sign = is_negative ? "-" : spec.sign == '-' ? "" : std::string(1, spec.sign);
  return padded(sign, digits, spec, '>');
}

}  // namespace

std::string formatted(const Value& value, const FormatSpec& spec, Budget& budget) {
  budget.charge_bytes(static_cast<std::size_t>(spec.width));
  if (value.is_string()) budget.charge(value.weight());
  if (spec.width > kMaxFormatWidth || spec.precision.value_or(0) > kMaxPrecision)
    fail("a width above {} or a precision above {}", kMaxFormatWidth, kMaxPrecision);
  const bool wants_text = spec.type == 's' || spec.type == '\0';
  if (value.is_number() && !(value.is_bool() && wants_text)) {
    const std::string_view accepted = value.is_integral() ? "bdoxXneEfFgG%" : "eEfFgGn%";
    if (spec.type != '\0' && accepted.find(spec.type) == std::string_view::npos)
      fail("format type '{}' is not accepted for a {}", spec.type, type_name(value));
    return formatted_number(value, spec);
  }
  if (!wants_text) fail("format type '{}' is not accepted for a {}", spec.type, type_name(value));
  if (spec.align == '=') fail("'=' does not align a {}", type_name(value));
  std::string text = to_text(value, budget);
  if (spec.precision && *spec.precision < count_code_points(text))
    text = std::string(code_points(text, 0, *spec.precision));
  return padded("", text, spec, '<');
}

FormatSpec parse_format_spec(std::string_view text) {
  FormatSpec spec;
  std::size_t at = 0;
  const auto is_align = [&](std::size_t i) {
    return i < text.size() && std::string_view("<>^=").find(text[i]) != std::string_view::npos;
  };
  const auto skip = [&](char c) { return at < text.size() && text[at] == c ? (++at, true) : false; };
  const auto number = [&] {
    int value = 0;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') {
      value = value * 10 + (text[at++] - '0');
      if (value > kMaxFormatWidth) fail("a width above {}", kMaxFormatWidth);
    }
    return value;
  };
  const std::size_t fill_bytes = text.empty() ? 0 : utf8_length(text[0]);
  if (fill_bytes > 0 && is_align(fill_bytes)) {
    spec.fill = std::string(text.substr(0, fill_bytes));
    spec.align = text[fill_bytes];
    at = fill_bytes + 1;
  } else if (is_align(0)) {
    spec.align = text[at++];
  }
  if (at < text.size() && (text[at] == '+' || text[at] == '-' || text[at] == ' ')) spec.sign = text[at++];
  spec.alternate = skip('#');
  if (skip('0') && spec.align == '\0') {
    spec.fill = "0";
    spec.align = '=';
  }
  spec.width = number();
  spec.thousands = skip(',');
  if (skip('.')) spec.precision = number();
  if (at < text.size()) spec.type = text[at++];
  if (at != text.size()) fail("\"{}\" is no format spec", text);
  return spec;
}

}  // namespace lockstep::jinja
