// Python's str on UTF-8: everything counts in code points, and space is what str.isspace() says.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep::jinja {

/// The characters of a valid UTF-8 text, each as the bytes of one code point. A view: the text outlives it.
class CodePoints {
 public:
  explicit CodePoints(std::string_view text) : text_(text) {}

  class Iterator {
   public:
    Iterator(std::string_view text, std::size_t position) : text_(text), position_(position) {}
    std::string_view operator*() const;
    Iterator& operator++();
    bool operator==(const Iterator& other) const { return position_ == other.position_; }

   private:
    std::string_view text_;
    std::size_t position_;
  };
  Iterator begin() const { return {text_, 0}; }
  Iterator end() const { return {text_, text_.size()}; }

 private:
  std::string_view text_;
};

int64_t count_code_points(std::string_view text);
/// `count` code points from number `first`; both within the text.
std::string_view code_points(std::string_view text, int64_t first, int64_t count);

bool is_space(char32_t code_point);
/// str.isdigit(), isalpha(), isalnum() of one character.
bool is_digit(char32_t code_point);
bool is_letter(char32_t code_point);
bool is_alphanumeric(char32_t code_point);
bool is_upper(char32_t code_point);
bool is_lower(char32_t code_point);
bool starts_identifier(char32_t code_point);
bool continues_identifier(char32_t code_point);

std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);
/// The first character in title case, the others in lower case.
std::string capitalized(std::string_view text);
/// str.title(): every letter behind none in title case, the others in lower case.
std::string titled(std::string_view text);

enum class Side : uint8_t { kLeft = 1, kRight = 2, kBoth = 3 };
std::string_view stripped(std::string_view text, Side side);
/// Strips every character that `characters` has.
std::string_view stripped(std::string_view text, Side side, std::string_view characters);

/// str.splitlines().
std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends = false);

}  // namespace lockstep::jinja
