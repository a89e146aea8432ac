#include "core/text/regex_dialect.h"

#include "core/error.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace lockstep {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

class Translator {
 public:
  Translator(std::string_view pattern, const std::string& place) : in_(pattern), place_(place) {}

  std::string run() {
    while (at_ < in_.size()) {
      const char c = in_[at_];
      if (c == '\\') {
        escape();
      } else if (in_class_) {
        class_character(c);
      } else if (c == '[') {
        in_class_ = true;
        copy(starts_with("[^") ? 2 : 1);
      } else if (c == '(') {
        group();
      } else if (c == '{') {
        repetition();
      } else {
        copy(1);
      }
    }
    return out_;
  }

 private:
  bool starts_with(std::string_view text) const { return in_.substr(at_).starts_with(text); }

  void copy(std::size_t count) {
    out_ += in_.substr(at_, count);
    at_ += count;
  }

  void replace(std::size_t count, std::string_view text) {
    out_ += text;
    at_ += count;
  }

  [[noreturn]] void refuse(std::string_view construct, std::string_view reason) const {
    LS_THROW(FormatError, "{}: regular expression '{}' uses {} (at byte {}): {}", place_, in_, construct, at_, reason);
  }

  void class_character(char c) {
    if (c == '[') refuse("'[' inside a class", "nested and POSIX classes are not supported");
    if (starts_with("&&")) refuse("'&&' inside a class", "class intersections are not supported");
    if (c == ']') in_class_ = false;
    copy(1);
  }

  void group() {
    if (starts_with("(*")) refuse("'(*'", "verbs are not supported");
    if (!starts_with("(?")) return copy(1);
    constexpr std::array<std::string_view, 8> kSame = {"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i:", "(?-i:"};
    for (const std::string_view opening : kSame)
      if (starts_with(opening)) return copy(opening.size());
    // Ruby's (?i) in mid-expression would also swallow the alternatives behind it.
    if (starts_with("(?i)") && at_ == 0) return copy(4);
    refuse(fmt::format("'{}'", in_.substr(at_, 4)), "accepted groups: (…) (?:…) (?i:…) (?-i:…) (?>…) and look-around");
  }

  void repetition() {
    const std::size_t end = in_.find('}', at_);
    const std::string_view inside = end == std::string_view::npos ? "" : in_.substr(at_ + 1, end - at_ - 1);
    const auto part = [](char c) { return is_digit(c) || c == ','; };
    const bool counts = std::all_of(inside.begin(), inside.end(), part) &&
                        std::any_of(inside.begin(), inside.end(), is_digit) &&
                        std::count(inside.begin(), inside.end(), ',') <= 1;
    if (!counts) return copy(1);  // a literal brace in both
    const std::string_view rest = in_.substr(end + 1);
    if (rest.starts_with('+')) refuse("'{…}+'", "Ruby repeats the repetition, PCRE2 makes it possessive");
    if (rest.starts_with('?') && inside.find(',') == std::string_view::npos)
      refuse("'{n}?'", "Ruby makes the repetition optional, PCRE2 lazy");
    replace(end + 1 - at_, fmt::format("{{{}{}}}", inside.front() == ',' ? "0" : "", inside));
  }

  void escape() {
    if (at_ + 1 == in_.size()) refuse("'\\' at its end", "a character is expected behind it");
    const char c = in_[at_ + 1];
    switch (c) {
      case 's': return replace(2, "\\p{wspace}");
      case 'S': return replace(2, "\\P{wspace}");
      case 'd': return replace(2, "\\p{Nd}");
      case 'D': return replace(2, "\\P{Nd}");
      case 'p':
      case 'P': return property();
      case 'u': return code_point(4);
      case 'x': return code_point(in_.substr(at_).starts_with("\\x{") ? 0 : 2);
      case 't':
      case 'n':
      case 'r':
      case 'f': return copy(2);
      case 'A':
      case 'z':
        if (!in_class_) return copy(2);
        break;
      default:
        if (!is_letter(c) && !is_digit(c)) return copy(2);
    }
    refuse(fmt::format("'\\{}'", c),
           "accepted: \\s \\S \\d \\D \\p{…} \\P{…} \\t \\n \\r \\f \\A \\z \\uHHHH \\x{…} and escaped signs");
  }

  void property() {
    const std::size_t end = in_.find('}', at_);
    if (!in_.substr(at_ + 2).starts_with('{') || end == std::string_view::npos)
      refuse("'\\p'", "\\p{Name} is expected");
    std::string_view name = in_.substr(at_ + 3, end - at_ - 3);
    const bool negated = name.starts_with('^');
    if (negated) name.remove_prefix(1);
    // One or two letters name a general category; longer names are scripts, which PCRE2 alone would read as extensions.
    const std::string_view kind = name.size() <= 2 || name == "Any" ? "" : "sc:";
    replace(end + 1 - at_, fmt::format("\\{}{{{}{}{}}}", in_[at_ + 1], negated ? "^" : "", kind, name));
  }

  /// \uHHHH, \xHH (`digits` of them) or \x{H…} (`digits` = 0).
  void code_point(std::size_t digits) {
    const std::size_t begin = at_ + (digits == 0 ? 3 : 2);
    const std::size_t brace = in_.find('}', at_);
    const std::size_t end = digits == 0 ? brace : std::min(begin + digits, in_.size());
    const std::string_view hex = end == std::string_view::npos ? "" : in_.substr(begin, end - begin);
    if (hex.empty() || hex.size() < digits || !std::all_of(hex.begin(), hex.end(), is_hex))
      refuse(fmt::format("'{}'", in_.substr(at_, 2)), "\\uHHHH, \\xHH or \\x{…} is expected");
    if (digits == 2 && hex[0] > '7') refuse("'\\xHH' above 7F", "a single byte of a character cannot be matched");
    replace(end + (digits == 0 ? 1 : 0) - at_, fmt::format("\\x{{{}}}", hex));
  }

  std::string_view in_;
  const std::string& place_;
  std::string out_;
  std::size_t at_ = 0;
  bool in_class_ = false;
};

}  // namespace

std::string pcre2_from_oniguruma(const std::string& pattern, const std::string& place) {
  return Translator(pattern, place).run();
}

}  // namespace lockstep
