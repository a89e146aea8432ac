// str() and repr() of values, as Python writes them.
#pragma once

#include "core/text/jinja/value.h"

#include <string>
#include <string_view>

namespace lockstep::jinja {

/// str(): what printing a value shows. Throws Fault for functions, whose text in Python is an address.
std::string to_text(const Value& value, Budget& budget);

/// repr(): how a value stands inside a printed list.
std::string to_repr(const Value& value, Budget& budget);

/// The shortest decimal that reads back as `real`: 1.0, 1e-05, 1e+16, inf, nan.
std::string float_text(double real);

/// A string literal, in single quotes unless it has some and no double ones.
std::string quoted(std::string_view text);

}  // namespace lockstep::jinja
