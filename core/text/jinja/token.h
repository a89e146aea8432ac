// Tokens of a template.
#pragma once

#include <cstdint>
#include <string>

namespace lockstep::jinja {

enum class TokenKind : uint8_t {
  kText,           // outside of tags, white space already stripped
  kBeginVariable,  // {{
  kEndVariable,    // }}
  kBeginBlock,     // {%
  kEndBlock,       // %}
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,
  kEnd,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  int line = 0;
  std::string text;  // a string's content with its escapes resolved; digits without underscores

  bool is(TokenKind wanted, const char* with) const { return kind == wanted && text == with; }
  bool is_name(const char* name) const { return is(TokenKind::kName, name); }
  bool is_operator(const char* symbol) const { return is(TokenKind::kOperator, symbol); }
};

/// For messages: "end of template", "'name'", …
std::string describe(const Token& token);

}  // namespace lockstep::jinja
