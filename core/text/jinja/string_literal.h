// Escapes in string literals.
#pragma once

#include <string>
#include <string_view>

namespace lockstep::jinja {

/// What stands between the quotes, with Python's escapes resolved. An unknown escape stays as it is.
/// Throws Fault for malformed escapes, \N{…}, and surrogates, which no UTF-8 text can hold.
std::string unescaped(std::string_view literal, int line);

}  // namespace lockstep::jinja
