#include "core/text/jinja/string_literal.h"

#include "core/text/jinja/fault.h"
#include "core/text/utf8.h"

#include <charconv>

namespace lockstep::jinja {
namespace {

constexpr std::string_view kLetters = "abfnrtv\\'\"";
constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\'\"";

void append_character(uint32_t code, std::string_view escape, int line, std::string& text) {
  if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) fail_at(line, "the escape {} names no character", escape);
  append_utf8(static_cast<char32_t>(code), text);
}

}  // namespace

std::string unescaped(std::string_view literal, int line) {
  std::string text;
  for (std::size_t i = 0; i < literal.size();) {
    if (literal[i] != '\\' || i + 1 == literal.size()) {
      text += literal[i++];
      continue;
    }
    const char kind = literal[i + 1];
    const std::size_t known = kLetters.find(kind);
    const int digits = kind == 'x' ? 2 : kind == 'u' ? 4 : kind == 'U' ? 8 : 0;
    if (known != std::string_view::npos) {
      text += kMeanings[known];
      i += 2;
    } else if (kind == '\n') {
      i += 2;
    } else if (digits > 0) {
      const std::string_view hex = literal.substr(i + 2, static_cast<std::size_t>(digits));
      uint32_t code = 0;
      const auto [end, error] = std::from_chars(hex.data(), hex.data() + hex.size(), code, 16);
      if (error != std::errc() || end != hex.data() + digits)
        fail_at(line, "\\{} needs {} hexadecimal digits", kind, digits);
      append_character(code, literal.substr(i, static_cast<std::size_t>(digits) + 2), line, text);
      i += static_cast<std::size_t>(digits) + 2;
    } else if (kind >= '0' && kind <= '7') {
      uint32_t code = 0;
      std::size_t end = i + 1;
      while (end < literal.size() && end < i + 4 && literal[end] >= '0' && literal[end] <= '7')
        code = code * 8 + static_cast<uint32_t>(literal[end++] - '0');
      append_character(code, literal.substr(i, end - i), line, text);
      i = end;
    } else if (kind == 'N') {
      fail_at(line, "\\N{{…}} is not supported; \\u and four hexadecimal digits are");
    } else {
      text += literal[i++];
    }
  }
  return text;
}

}  // namespace lockstep::jinja
