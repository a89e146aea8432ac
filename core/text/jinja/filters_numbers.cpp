// Filters that make numbers.
#include "core/text/jinja/arguments.h"
#include "core/text/jinja/filters.h"
#include "core/text/jinja/operators.h"
#include "core/text/jinja/unicode_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <optional>

namespace lockstep::jinja {
namespace {

/// `text` without the underscores that may stand between digits; nullopt if one stands elsewhere.
std::optional<std::string> without_underscores(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      result += text[i];
      continue;
    }
    const auto is_alnum = [&](std::size_t at) {
      return at < text.size() && std::isalnum(static_cast<unsigned char>(text[at]));
    };
    if (i == 0 || !is_alnum(i - 1) || !is_alnum(i + 1)) return std::nullopt;
  }
  return result;
}

/// Python's int(text, base); nullopt where that raises ValueError. Throws Fault beyond 64 bits.
std::optional<int64_t> parse_integer(std::string_view text, int base) {
  const std::optional<std::string> clean = without_underscores(stripped(text, Side::kBoth));
  if (!clean) return std::nullopt;
  std::string_view digits = *clean;
  const bool is_negative = digits.starts_with('-');
  if (is_negative || digits.starts_with('+')) digits.remove_prefix(1);
  for (const auto& [letter, its_base] : {std::pair{'x', 16}, {'o', 8}, {'b', 2}}) {
    const bool has_prefix = digits.size() > 2 && digits[0] == '0' && (digits[1] | 0x20) == letter;
    if (has_prefix && (base == its_base || base == 0)) {
      digits.remove_prefix(2);
      base = its_base;
    }
  }
  if (base == 0) base = 10;
  if (digits.empty() || digits[0] == '-' || digits[0] == '+') return std::nullopt;
  uint64_t magnitude = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), magnitude, base);
  if (end != digits.data() + digits.size()) return std::nullopt;
  const uint64_t most = uint64_t{1} << 63;
  if (error != std::errc() || magnitude > most || (magnitude == most && !is_negative))
    fail("an integer beyond 64 bits");
  return static_cast<int64_t>(is_negative ? ~magnitude + 1 : magnitude);
}

/// Python's float(text); nullopt where that raises ValueError.
std::optional<double> parse_float(std::string_view text) {
  const std::optional<std::string> clean = without_underscores(stripped(text, Side::kBoth));
  if (!clean) return std::nullopt;
  const std::string lower = to_lower(*clean);
  const std::string_view bare = std::string_view(lower).substr(!lower.empty() && (lower[0] == '-' || lower[0] == '+'));
  const bool is_word = bare == "inf" || bare == "infinity" || bare == "nan";
  const bool is_decimal = bare.find_first_of("0123456789") != std::string_view::npos &&
                          bare.find_first_not_of("0123456789.e+-") == std::string_view::npos && bare[0] != '-' &&
                          bare[0] != '+';
  if (!is_word && !is_decimal) return std::nullopt;
  char* end = nullptr;
  const double real = std::strtod(lower.c_str(), &end);
  return end == lower.c_str() + lower.size() ? std::optional(real) : std::nullopt;
}

Value truncated(double real) {
  if (!(std::abs(real) < 9.2233720368547758e18)) fail("an integer beyond 64 bits");
  return Value(static_cast<int64_t>(real));
}

Value to_int(Runtime& runtime, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), "int", {"default", "base"}, 0);
  const Value fallback = bound[0].value_or(Value(0));
  if (value.is_string()) runtime.budget().charge(value.weight());
  require_defined(value);
  const int64_t base = bound[1].integer_or(10);
  if (base != 0 && (base < 2 || base > 36)) fail("int with base {}; accepted: 0 and 2 to 36", base);
  if (value.is_integral()) return Value(value.integer());
  if (value.is_float()) return std::isnan(value.real()) ? fallback : truncated(value.real());
  if (!value.is_string()) return fallback;
  if (const auto integer = parse_integer(value.text(), static_cast<int>(base))) return Value(*integer);
  const std::optional<double> real = parse_float(value.text());
  return real && std::isfinite(*real) ? truncated(*real) : fallback;
}

Value to_float(Runtime& runtime, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), "float", {"default"}, 0);
  if (value.is_string()) runtime.budget().charge(value.weight());
  require_defined(value);
  if (value.is_number()) return Value(value.real());
  const std::optional<double> real = value.is_string() ? parse_float(value.text()) : std::nullopt;
  return real ? Value(*real) : bound[0].value_or(Value(0.0));
}

/// Python's round(real, precision): half to even on the exact decimal value.
double rounded(double real, int64_t precision) {
  if (!std::isfinite(real) || precision > 308) return real;
  if (precision >= 0) {
    std::array<char, 700> text{};
    std::snprintf(text.data(), text.size(), "%.*f", static_cast<int>(precision), real);
    return std::strtod(text.data(), nullptr);
  }
  if (precision < -308) return std::copysign(0.0, real);
  const double unit = std::pow(10.0, static_cast<double>(-precision));
  return std::nearbyint(real / unit) * unit;
}

Value round_integer(int64_t integer, int64_t precision) {
  if (precision >= 0) return Value(integer);
  if (precision < -18) return Value(int64_t{0});
  int64_t unit = 1;
  for (int64_t i = 0; i < -precision; ++i) unit *= 10;
  const int64_t rest = integer % unit, twice = 2 * std::abs(rest), down = integer - rest;
  const bool away = twice > unit || (twice == unit && (down / unit) % 2 != 0);
  int64_t result = 0;
  if (__builtin_add_overflow(down, away ? (integer < 0 ? -unit : unit) : 0, &result)) fail("an integer beyond 64 bits");
  return Value(result);
}

Value round(Runtime&, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), "round", {"precision", "method"}, 0);
  const std::string method = bound[1].text_or("common");
  const int64_t precision = bound[0].integer_or(0);
  if (method != "common" && method != "ceil" && method != "floor")
    fail("round with method \"{}\"; accepted: common, ceil, floor", method);
  require_defined(value);
  if (!value.is_number()) fail("round takes a number, not a {}", type_name(value));
  if (method == "common")
    return value.is_integral() ? round_integer(value.integer(), precision) : Value(rounded(value.real(), precision));
  const double unit = std::pow(10.0, static_cast<double>(precision));
  const double scaled = value.real() * unit;
  return Value((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / unit);
}

Value absolute(Runtime&, const Value& value, Arguments arguments) {
  const Bound bound(std::move(arguments), "abs", {}, 0);
  require_defined(value);
  if (value.is_float()) return Value(std::abs(value.real()));
  if (!value.is_integral()) fail("abs takes a number, not a {}", type_name(value));
  return value.integer() < 0 ? negate(value) : Value(value.integer());
}

constexpr Filter kNumberFilters[] = {{"abs", absolute}, {"float", to_float}, {"int", to_int}, {"round", round}};

}  // namespace

std::span<const Filter> number_filters() { return kNumberFilters; }

}  // namespace lockstep::jinja
