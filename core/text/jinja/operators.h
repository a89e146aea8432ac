// Python's operators on values. Each throws Fault where Python raises TypeError, ZeroDivisionError or OverflowError,
// and where an integer leaves 64 bits.
#pragma once

#include "core/text/jinja/value.h"

#include <cstdint>

namespace lockstep::jinja {

enum class BinaryOperator : uint8_t { kAdd, kSubtract, kMultiply, kDivide, kFloorDivide, kModulo, kPower };
enum class Comparison : uint8_t { kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual, kIn, kNotIn };

bool truth(const Value& value);

/// `==`. Costs up to the lighter value's weight, which nobody charges here.
bool equal(const Value& a, const Value& b);

/// Below 0, 0 or above 0; kUnordered with a NaN.
inline constexpr int kUnordered = 2;
int compare(const Value& a, const Value& b);

bool holds(Comparison comparison, const Value& a, const Value& b, Budget& budget);
Value calculate(BinaryOperator operation, const Value& a, const Value& b, Budget& budget);
Value negate(const Value& value);
/// Unary `+`.
Value plus(const Value& value);

/// Throws Fault with the value's message if it is undefined.
void require_defined(const Value& value);

}  // namespace lockstep::jinja
