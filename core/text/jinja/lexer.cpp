#include "core/text/jinja/lexer.h"

#include "core/text/jinja/fault.h"
#include "core/text/jinja/string_literal.h"
#include "core/text/jinja/unicode_text.h"
#include "core/text/utf8.h"

#include <algorithm>
#include <cctype>

namespace lockstep::jinja {
namespace {

constexpr std::string_view kLongOperators[] = {"//", "**", "==", "!=", ">=", "<="};
constexpr std::string_view kShortOperators = "+-/*%~[](){}><=.:|,;";

/// One line break for every \r\n and \r; without the last one.
std::string normalised(std::string_view source) {
  std::string text;
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n') continue;
    text += source[i] == '\r' ? '\n' : source[i];
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

bool is_digit_at(std::string_view text, std::size_t at) {
  return at < text.size() && std::isdigit(static_cast<unsigned char>(text[at]));
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(normalised(source)) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) text_and_tag();
    add(TokenKind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  std::string_view rest() const { return std::string_view(source_).substr(at_); }

  void add(TokenKind kind, std::string text) {
    if (kind == TokenKind::kText && text.empty()) return;
    tokens_.push_back({kind, line_, std::move(text)});
  }

  void advance(std::size_t bytes) {
    const std::string_view passed = rest().substr(0, bytes);
    if (passed.empty()) return;
    line_ += static_cast<int>(std::count(passed.begin(), passed.end(), '\n'));
    at_ += passed.size();
    line_starting_ = passed.back() == '\n';
  }

  void skip_space() { advance(rest().size() - stripped(rest(), Side::kLeft).size()); }

  /// Length of `-%}`, `+%}` or `%}` (or of another close) at `at`; 0 if none stands there.
  std::size_t close_at(std::size_t at, std::string_view close, bool plus) const {
    const std::string_view here = std::string_view(source_).substr(at);
    if (here.starts_with(close)) return close.size();
    const bool has_sign = here.starts_with('-') || (plus && here.starts_with('+'));
    return has_sign && here.substr(1).starts_with(close) ? close.size() + 1 : 0;
  }

  /// Passes a close tag; behind "-" all white space goes, behind a bare tag that trims one line break.
  void pass_close(std::size_t length, bool trims) {
    const char sign = rest()[0];
    advance(length);
    if (sign == '-')
      skip_space();
    else if (sign != '+' && trims && rest().starts_with('\n'))
      advance(1);
  }

  /// The text before a tag, by the tag's sign.
  std::string text_before(std::string_view text, char sign, bool is_variable) const {
    if (sign == '-') return std::string(stripped(text, Side::kRight));
    if (sign == '+' || is_variable) return std::string(text);
    const std::size_t line_begin = text.rfind('\n') + 1;  // 0 where there is none
    const bool is_line_start = line_begin > 0 || line_starting_;
    if (is_line_start && stripped(text.substr(line_begin), Side::kLeft).empty()) text = text.substr(0, line_begin);
    return std::string(text);
  }

  void text_and_tag() {
    std::size_t begin = at_;
    for (;; ++begin) {
      begin = source_.find('{', begin);
      if (begin == std::string::npos || begin + 1 >= source_.size()) {
        add(TokenKind::kText, std::string(rest()));
        return advance(rest().size());
      }
      if (std::string_view("{%#").find(source_[begin + 1]) != std::string_view::npos) break;
    }
    const char kind = source_[begin + 1];
    char sign = begin + 2 < source_.size() ? source_[begin + 2] : '\0';
    if (sign != '-' && sign != '+') sign = '\0';
    const std::string_view text = std::string_view(source_).substr(at_, begin - at_);
    add(TokenKind::kText, text_before(text, sign, kind == '{'));
    const std::size_t open = begin + (sign ? 3 : 2);
    const std::size_t raw_end = kind == '%' ? raw_begin_length(open) : 0;
    advance(open - at_);
    if (raw_end > 0) return raw(raw_end);
    if (kind == '#') return comment();
    add(kind == '{' ? TokenKind::kBeginVariable : TokenKind::kBeginBlock, "");
    tag(kind == '{' ? "}}" : "%}", kind == '{' ? TokenKind::kEndVariable : TokenKind::kEndBlock);
  }

  /// Length of `raw %}` or `raw -%}` at `at`, without the space that "-" strips; 0 if another tag stands there.
  std::size_t raw_begin_length(std::size_t at) const { return keyword_tag_length(at, "raw", false); }

  std::size_t keyword_tag_length(std::size_t at, std::string_view keyword, bool plus) const {
    const std::string_view here = std::string_view(source_).substr(at);
    std::string_view tail = stripped(here, Side::kLeft);
    if (!tail.starts_with(keyword)) return 0;
    tail = stripped(tail.substr(keyword.size()), Side::kLeft);
    const std::size_t close_place = at + here.size() - tail.size();
    const std::size_t close = close_at(close_place, "%}", plus);
    return close == 0 ? 0 : close_place + close - at;
  }

  void raw(std::size_t begin_length) {
    const int opened = line_;
    const bool strips = source_[at_ + begin_length - 3] == '-';
    advance(begin_length);
    if (strips) skip_space();
    for (std::size_t begin = source_.find("{%", at_); begin != std::string::npos;
         begin = source_.find("{%", begin + 1)) {
      char sign = begin + 2 < source_.size() ? source_[begin + 2] : '\0';
      if (sign != '-' && sign != '+') sign = '\0';
      const std::size_t open = begin + (sign ? 3 : 2);
      const std::size_t length = keyword_tag_length(open, "endraw", true);
      if (length == 0) continue;
      add(TokenKind::kText, text_before(std::string_view(source_).substr(at_, begin - at_), sign, false));
      const std::size_t close = close_at(open + length - 3, "%}", true) == 3 ? 3 : 2;
      advance(open + length - close - at_);
      return pass_close(close, true);
    }
    fail_at(opened, "a raw block without its endraw");
  }

  void comment() {
    const int opened = line_;
    std::size_t close = at_;
    std::size_t length = 0;
    for (; close < source_.size(); ++close) {
      length = close_at(close, "#}", true);
      if (length > 0) break;
    }
    if (length == 0) fail_at(opened, "a comment without its #}}");
    advance(close - at_);
    pass_close(length, true);
  }

  void tag(std::string_view close, TokenKind end) {
    std::string open_brackets;
    const bool is_block = end == TokenKind::kEndBlock;
    for (;;) {
      const std::size_t length = at_ < source_.size() && open_brackets.empty() ? close_at(at_, close, is_block) : 0;
      if (length > 0) {
        add(end, "");
        return pass_close(length, is_block);
      }
      if (at_ >= source_.size()) return;  // the parser sees the end of the template
      token(open_brackets);
    }
  }

  void token(std::string& open_brackets) {
    std::size_t behind = at_;
    const char32_t c = next_code_point(source_, behind);
    if (is_space(c)) return skip_space();
    if (is_digit_at(source_, at_)) return number();
    if (starts_identifier(c)) return name();
    if (c == '"' || c == '\'') return string(static_cast<char>(c));
    for (const std::string_view symbol : kLongOperators)
      if (rest().starts_with(symbol)) return symbol_token(symbol);
    if (c >= 0x80 || kShortOperators.find(static_cast<char>(c)) == std::string_view::npos)
      fail_at(line_, "unexpected character '{}'", rest().substr(0, behind - at_));
    balance(static_cast<char>(c), open_brackets);
    symbol_token(rest().substr(0, 1));
  }

  void symbol_token(std::string_view symbol) {
    add(TokenKind::kOperator, std::string(symbol));
    advance(symbol.size());
  }

  void balance(char c, std::string& open_brackets) const {
    if (c == '{') open_brackets += '}';
    if (c == '(') open_brackets += ')';
    if (c == '[') open_brackets += ']';
    if (c != '}' && c != ')' && c != ']') return;
    if (open_brackets.empty()) fail_at(line_, "unexpected '{}'", c);
    if (open_brackets.back() != c) fail_at(line_, "unexpected '{}', expected '{}'", c, open_brackets.back());
    open_brackets.pop_back();
  }

  void name() {
    std::size_t end = at_;
    while (end < source_.size()) {
      std::size_t behind = end;
      if (!continues_identifier(next_code_point(source_, behind))) break;
      end = behind;
    }
    add(TokenKind::kName, source_.substr(at_, end - at_));
    advance(end - at_);
  }

  void string(char quote) {
    std::size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) fail_at(line_, "a string without its closing {}", quote);
    add(TokenKind::kString, unescaped(std::string_view(source_).substr(at_ + 1, end - at_ - 1), line_));
    advance(end + 1 - at_);
  }

  /// Passes digits with single underscores between them.
  std::size_t digits(std::size_t at, bool (*accepts)(char)) const {
    while (at < source_.size() &&
           (accepts(source_[at]) || (source_[at] == '_' && at + 1 < source_.size() && accepts(source_[at + 1]))))
      ++at;
    return at;
  }

  void number() {
    const auto decimal = [](char c) { return c >= '0' && c <= '9'; };
    TokenKind kind = TokenKind::kInteger;
    std::size_t end = at_;
    const char base = at_ + 1 < source_.size() ? static_cast<char>(source_[at_ + 1] | 0x20) : '\0';
    const auto accepts = base == 'x'   ? +[](char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; }
                         : base == 'o' ? +[](char c) { return c >= '0' && c <= '7'; }
                                       : +[](char c) { return c == '0' || c == '1'; };
    const bool has_base = source_[at_] == '0' && (base == 'x' || base == 'o' || base == 'b');
    if (has_base) end = digits(at_ + 2, accepts);
    if (end <= at_ + 2) {
      end = digits(at_, decimal);
      const bool may_be_float = at_ == 0 || source_[at_ - 1] != '.';
      if (may_be_float && end < source_.size() && source_[end] == '.' && is_digit_at(source_, end + 1)) {
        kind = TokenKind::kFloat;
        end = digits(end + 1, decimal);
      }
      if (may_be_float && end < source_.size() && (source_[end] | 0x20) == 'e') {
        const bool has_sign = end + 1 < source_.size() && (source_[end + 1] == '-' || source_[end + 1] == '+');
        const std::size_t exponent = end + (has_sign ? 2 : 1);
        if (is_digit_at(source_, exponent)) {
          kind = TokenKind::kFloat;
          end = digits(exponent, decimal);
        }
      }
      // An integer that starts with 0 is only zeros; other digits would be a number of their own.
      if (kind == TokenKind::kInteger && source_[at_] == '0') end = digits(at_, [](char c) { return c == '0'; });
    }
    std::string text = source_.substr(at_, end - at_);
    std::erase(text, '_');
    add(kind, std::move(text));
    advance(end - at_);
  }

  std::string source_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;  // the last thing passed ended a line
};

}  // namespace

std::string describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::kText: return "text";
    case TokenKind::kBeginVariable: return "'{{'";
    case TokenKind::kEndVariable: return "'}}'";
    case TokenKind::kBeginBlock: return "'{%'";
    case TokenKind::kEndBlock: return "'%}'";
    case TokenKind::kString: return "a string";
    case TokenKind::kEnd: return "the end of the template";
    default: return fmt::format("'{}'", token.text);
  }
}

std::vector<Token> tokenize(std::string_view source) { return Lexer(source).run(); }

}  // namespace lockstep::jinja
