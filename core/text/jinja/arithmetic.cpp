// calculate(), negate(), plus() of operators.h.
#include "core/text/jinja/operators.h"
#include "core/text/jinja/printf_format.h"
#include "core/text/jinja/string_search.h"

#include <algorithm>
#include <cmath>

namespace lockstep::jinja {
namespace {

constexpr char kTooLarge[] = "an integer beyond 64 bits";

std::string_view symbol(BinaryOperator operation) {
  switch (operation) {
    case BinaryOperator::kAdd: return "+";
    case BinaryOperator::kSubtract: return "-";
    case BinaryOperator::kMultiply: return "*";
    case BinaryOperator::kDivide: return "/";
    case BinaryOperator::kFloorDivide: return "//";
    case BinaryOperator::kModulo: return "%";
    case BinaryOperator::kPower: return "**";
  }
  return "?";
}

/// base ** exponent by squaring, with exponent >= 0.
int64_t integer_power(int64_t base, int64_t exponent) {
  int64_t result = 1;
  while (exponent > 0) {
    if ((exponent & 1) && __builtin_mul_overflow(result, base, &result)) fail(kTooLarge);
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) fail(kTooLarge);
  }
  return result;
}

Value integers(BinaryOperator operation, int64_t a, int64_t b) {
  int64_t result = 0;
  bool too_large = false;
  switch (operation) {
    case BinaryOperator::kAdd: too_large = __builtin_add_overflow(a, b, &result); break;
    case BinaryOperator::kSubtract: too_large = __builtin_sub_overflow(a, b, &result); break;
    case BinaryOperator::kMultiply: too_large = __builtin_mul_overflow(a, b, &result); break;
    case BinaryOperator::kDivide:
      if (b == 0) fail("division by zero");
      return Value(static_cast<double>(static_cast<long double>(a) / static_cast<long double>(b)));
    case BinaryOperator::kFloorDivide:
    case BinaryOperator::kModulo: {
      if (b == 0) fail("division by zero");
      if (b == -1) {  // the one divisor whose quotient can overflow
        if (operation == BinaryOperator::kModulo) return Value(int64_t{0});
        too_large = __builtin_sub_overflow(int64_t{0}, a, &result);
        break;
      }
      const bool rounds_down = a % b != 0 && (a % b < 0) != (b < 0);  // Python floors, C++ truncates
      if (operation == BinaryOperator::kModulo) return Value(a % b + (rounds_down ? b : 0));
      return Value(a / b - (rounds_down ? 1 : 0));
    }
    case BinaryOperator::kPower:
      if (b >= 0) return Value(integer_power(a, b));
      if (a == 0) fail("0 cannot be raised to a negative power");
      return Value(std::pow(static_cast<double>(a), static_cast<double>(b)));
  }
  if (too_large) fail(kTooLarge);
  return Value(result);
}

Value reals(BinaryOperator operation, double a, double b) {
  switch (operation) {
    case BinaryOperator::kAdd: return Value(a + b);
    case BinaryOperator::kSubtract: return Value(a - b);
    case BinaryOperator::kMultiply: return Value(a * b);
    case BinaryOperator::kDivide:
      if (b == 0) fail("division by zero");
      return Value(a / b);
    case BinaryOperator::kFloorDivide:
    case BinaryOperator::kModulo: {
      if (b == 0) fail("division by zero");
      double rest = std::fmod(a, b);
      double quotient = (a - rest) / b;
      if (rest != 0 && (rest < 0) != (b < 0)) {
        rest += b;
        quotient -= 1;
      }
      if (operation == BinaryOperator::kModulo) return Value(rest == 0 ? std::copysign(0.0, b) : rest);
      return Value(quotient == 0 ? std::copysign(0.0, a / b) : std::round(quotient));
    }
    case BinaryOperator::kPower: {
      if (a == 0 && b < 0) fail("0.0 cannot be raised to a negative power");
      const double power = std::pow(a, b);
      if (std::isnan(power) && !std::isnan(a) && !std::isnan(b)) fail("a power that is a complex number");
      if (std::isinf(power) && std::isfinite(a) && std::isfinite(b)) fail("a power beyond what a float holds");
      return Value(power);
    }
  }
  return {};
}

Value repeated(const Value& value, int64_t times, Budget& budget) {
  times = std::max(times, int64_t{0});
  if (value.is_string()) {
    const std::string& text = value.text();
    if (text.empty() || times == 0) return Value("");
    if (times > static_cast<int64_t>(kMaxOutputBytes)) fail("a string repeated {} times", times);
    budget.charge_bytes(text.size() * static_cast<std::size_t>(times));
    std::string result;
    for (int64_t i = 0; i < times; ++i) result += text;
    return Value(std::move(result));
  }
  const std::vector<Value>& items = value.sequence().items;
  std::vector<Value> result;
  if (!items.empty() && times > 0) {
    if (times > kMaxSteps) fail("a list repeated {} times", times);
    budget.charge(static_cast<int64_t>(items.size()) * times);
    for (int64_t i = 0; i < times; ++i) result.insert(result.end(), items.begin(), items.end());
  }
  return Value::sequence(value.sequence().kind, std::move(result));
}

Value joined(const Value& a, const Value& b, Budget& budget) {
  if (a.is_string()) {
    const bool is_markup = a.is_markup() || b.is_markup();
    budget.charge_bytes((is_markup ? 6 : 1) * (a.text().size() + b.text().size()));
    if (!is_markup) return Value(a.text() + b.text());
    const auto part = [](const Value& value) { return value.is_markup() ? value.text() : html_escaped(value.text()); };
    return Value::markup(part(a) + part(b));
  }
  std::vector<Value> items = a.sequence().items;
  const std::vector<Value>& more = b.sequence().items;
  budget.charge(static_cast<int64_t>(items.size() + more.size()));
  items.insert(items.end(), more.begin(), more.end());
  return Value::sequence(a.sequence().kind, std::move(items));
}

bool is_list_or_tuple(const Value& value) {
  return value.is_sequence(SequenceKind::kList) || value.is_sequence(SequenceKind::kTuple);
}

}  // namespace

Value calculate(BinaryOperator operation, const Value& a, const Value& b, Budget& budget) {
  if (operation == BinaryOperator::kModulo && a.is_string()) return Value(printf_format(a.text(), b, budget));
  require_defined(a);
  require_defined(b);
  if (a.is_integral() && b.is_integral()) return integers(operation, a.integer(), b.integer());
  if (a.is_number() && b.is_number()) return reals(operation, a.real(), b.real());
  if (operation == BinaryOperator::kAdd) {
    if (a.is_string() && b.is_string()) return joined(a, b, budget);
    if (is_list_or_tuple(a) && b.is_sequence(a.sequence().kind)) return joined(a, b, budget);
  }
  if (operation == BinaryOperator::kMultiply) {
    const auto repeats = [](const Value& value) { return value.is_string() || is_list_or_tuple(value); };
    if (repeats(a) && b.is_integral()) return repeated(a, b.integer(), budget);
    if (repeats(b) && a.is_integral()) return repeated(b, a.integer(), budget);
  }
  fail("{} is not defined between a {} and a {}", symbol(operation), type_name(a), type_name(b));
}

Value negate(const Value& value) {
  require_defined(value);
  if (value.is_float()) return Value(-value.real());
  if (!value.is_integral()) fail("a {} cannot be negated", type_name(value));
  return integers(BinaryOperator::kSubtract, 0, value.integer());
}

Value plus(const Value& value) {
  require_defined(value);
  if (!value.is_number()) fail("unary + is not defined for a {}", type_name(value));
  return value.is_float() ? value : Value(value.integer());
}

}  // namespace lockstep::jinja
