// UTF-8 as the tokenizers need it: code points in and out, and the reading of invalid bytes.
//
// Invalid input is read as one U+FFFD per maximal subpart of an ill-formed sequence (Unicode 3.9, table 3-8), which is
// what Python's `errors="replace"` and Rust's `from_utf8_lossy` do.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace lockstep {

inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";  // U+FFFD

void append_utf8(char32_t code_point, std::string& text);

/// The code point at text[position]; moves `position` behind it. `text` must be valid UTF-8.
char32_t next_code_point(std::string_view text, std::size_t& position);

/// Bytes of the code point that `lead`, the first byte of a valid sequence, begins.
std::size_t utf8_length(char lead);

bool is_valid_utf8(std::string_view bytes);

/// `bytes` with U+FFFD for what is invalid; nullopt if they are valid as they are.
std::optional<std::string> replace_invalid_utf8(std::string_view bytes);

/// The Unicode property White_Space.
bool is_white_space(char32_t code_point);

/// Decodes bytes that arrive in pieces, cut anywhere. Not thread-safe.
class LossyUtf8 {
 public:
  /// Appends every code point that `bytes` settles.
  void push(std::string_view bytes, std::string& text);
  /// Appends U+FFFD if a sequence was left unfinished.
  void finish(std::string& text);

 private:
  std::string unfinished_;  // at most 3 bytes: a proper prefix of a valid sequence
};

}  // namespace lockstep
