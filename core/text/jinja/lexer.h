// Splits a template into tokens, with trim_blocks and lstrip_blocks on: the line break behind a block or comment tag is
// dropped, and the space before one that stands first on its line.
#pragma once

#include "core/text/jinja/token.h"

#include <string_view>
#include <vector>

namespace lockstep::jinja {

/// Valid UTF-8 is required. The last token is kEnd. Throws Fault with the line.
std::vector<Token> tokenize(std::string_view source);

}  // namespace lockstep::jinja
