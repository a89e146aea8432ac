// Regular expressions of tokenizer files, run by PCRE2 (just-in-time compiled, Unicode properties).
//
// The files are written for Oniguruma (Ruby syntax). What the two engines read alike is taken, what can be said in
// other words is translated (`\s`, `\d`, scripts), and what would silently match something else is refused: see
// core/text/regex_dialect.h. PCRE2's character tables decide which code points are letters (Unicode 14 in PCRE2 10.42).
// Thread-safety: const members may be called from any number of threads.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace lockstep {

/// Half-open byte range of a match.
struct RegexMatch {
  std::size_t begin = 0, end = 0;
};

class Regex {
 public:
  /// Compiles an expression in PCRE2's own syntax; `place` (file and key) starts the message of an error.
  /// Throws FormatError.
  Regex(const std::string& pcre_pattern, const std::string& place);
  /// Translates from Oniguruma, then compiles. Throws FormatError.
  static Regex from_oniguruma(const std::string& pattern, const std::string& place);

  /// Leftmost match that begins at `from` or later. `text` must be valid UTF-8 and `from` a boundary of it.
  std::optional<RegexMatch> find(std::string_view text, std::size_t from) const;

 private:
  struct Code;
  std::shared_ptr<const Code> code_;
};

}  // namespace lockstep
