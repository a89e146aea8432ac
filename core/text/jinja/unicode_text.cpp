#include "core/text/jinja/unicode_text.h"

#include "core/text/jinja/special_casing.h"
#include "core/text/utf8.h"

#include <algorithm>
#include <utf8proc.h>

namespace lockstep::jinja {
namespace {

utf8proc_category_t category(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }

struct Range {
  char32_t first, last;
};

template <std::size_t kCount>
bool is_in(const Range (&ranges)[kCount], char32_t c) {
  return std::any_of(ranges, ranges + kCount, [&](const Range& range) { return c >= range.first && c <= range.last; });
}

// Numeric_Type Digit: digits that are no decimal digits (Unicode, UnicodeData.txt).
constexpr Range kOtherDigits[] = {{0xB2, 0xB3},       {0xB9, 0xB9},       {0x1369, 0x1371},   {0x19DA, 0x19DA},
                                  {0x2070, 0x2070},   {0x2074, 0x2079},   {0x2080, 0x2089},   {0x2460, 0x2468},
                                  {0x2474, 0x247C},   {0x2488, 0x2490},   {0x24EA, 0x24EA},   {0x24F5, 0x24FD},
                                  {0x24FF, 0x24FF},   {0x2776, 0x277E},   {0x2780, 0x2788},   {0x278A, 0x2792},
                                  {0x10A40, 0x10A43}, {0x10E60, 0x10E68}, {0x11052, 0x1105A}, {0x1F100, 0x1F10A}};

// Other_Uppercase and Other_Lowercase: cased characters beside letters (Unicode, PropList.txt).
constexpr Range kOtherUpper[] = {
    {0x2160, 0x216F}, {0x24B6, 0x24CF}, {0x1F130, 0x1F149}, {0x1F150, 0x1F169}, {0x1F170, 0x1F189}};
constexpr Range kOtherLower[] = {
    {0xAA, 0xAA},     {0xBA, 0xBA},     {0x2B0, 0x2B8},     {0x2C0, 0x2C1},     {0x2E0, 0x2E4},     {0x345, 0x345},
    {0x37A, 0x37A},   {0x1D2C, 0x1D6A}, {0x1D78, 0x1D78},   {0x1D9B, 0x1DBF},   {0x2071, 0x2071},   {0x207F, 0x207F},
    {0x2090, 0x209C}, {0x2170, 0x217F}, {0x24D0, 0x24E9},   {0x2C7C, 0x2C7D},   {0xA69C, 0xA69D},   {0xA770, 0xA770},
    {0xA7F8, 0xA7F9}, {0xAB5C, 0xAB5F}, {0x10780, 0x10780}, {0x10783, 0x10785}, {0x10787, 0x107B0}, {0x107B2, 0x107BA}};

char32_t simple(utf8proc_int32_t (*map)(utf8proc_int32_t), char32_t c) {
  return static_cast<char32_t>(map(static_cast<utf8proc_int32_t>(c)));
}

void append(const char32_t* characters, std::string& text) {
  for (; *characters; ++characters) append_utf8(*characters, text);
}

void append_upper(char32_t c, std::string& text) {
  if (const SpecialCasing* special = find_special_casing(c)) return append(special->upper, text);
  append_utf8(simple(utf8proc_toupper, c), text);
}

void append_title(char32_t c, std::string& text) {
  if (const SpecialCasing* special = find_special_casing(c)) return append(special->title, text);
  append_utf8(simple(utf8proc_totitle, c), text);
}

bool is_cased(char32_t c) {
  const utf8proc_category_t kind = category(c);
  return kind == UTF8PROC_CATEGORY_LU || kind == UTF8PROC_CATEGORY_LL || kind == UTF8PROC_CATEGORY_LT;
}

/// Characters that the rule of the final sigma looks through (Unicode 3.13, Case_Ignorable).
bool is_case_ignorable(char32_t c) {
  const utf8proc_category_t kind = category(c);
  return kind == UTF8PROC_CATEGORY_MN || kind == UTF8PROC_CATEGORY_ME || kind == UTF8PROC_CATEGORY_CF ||
         kind == UTF8PROC_CATEGORY_LM || kind == UTF8PROC_CATEGORY_SK || c == '\'' || c == '.' || c == ':' ||
         c == 0xB7 || c == 0x387 || c == 0x2018 || c == 0x2019 || c == 0x2024 || c == 0x2027;
}

/// True if the sigma at characters[at] ends a word: a letter before it and none behind.
bool is_final_sigma(const std::u32string& characters, std::size_t at) {
  std::size_t before = at;
  while (before > 0 && is_case_ignorable(characters[before - 1])) --before;
  if (before == 0 || !is_cased(characters[before - 1])) return false;
  std::size_t behind = at + 1;
  while (behind < characters.size() && is_case_ignorable(characters[behind])) ++behind;
  return behind == characters.size() || !is_cased(characters[behind]);
}

void append_lower(const std::u32string& characters, std::size_t at, std::string& text) {
  const char32_t c = characters[at];
  if (c == 0x130) return append(U"i\u0307", text);
  if (c == 0x3A3) return append_utf8(is_final_sigma(characters, at) ? 0x3C2 : 0x3C3, text);
  append_utf8(simple(utf8proc_tolower, c), text);
}

std::u32string decoded(std::string_view text) {
  std::u32string characters;
  for (std::size_t position = 0; position < text.size();) characters.push_back(next_code_point(text, position));
  return characters;
}

char32_t decode(std::string_view character) {
  std::size_t position = 0;
  return next_code_point(character, position);
}

bool ends_line(char32_t c) {
  return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

template <typename Strips>
std::string_view strip_while(std::string_view text, Side side, Strips strips) {
  if (side != Side::kRight)
    while (!text.empty() && strips(text.substr(0, utf8_length(text[0])))) text.remove_prefix(utf8_length(text[0]));
  if (side != Side::kLeft) {
    while (!text.empty()) {
      std::size_t begin = text.size() - 1;
      while ((static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
      if (!strips(text.substr(begin))) break;
      text.remove_suffix(text.size() - begin);
    }
  }
  return text;
}

}  // namespace

std::string_view CodePoints::Iterator::operator*() const {
  return text_.substr(position_, utf8_length(text_[position_]));
}

CodePoints::Iterator& CodePoints::Iterator::operator++() {
  position_ += utf8_length(text_[position_]);
  return *this;
}

int64_t count_code_points(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

std::string_view code_points(std::string_view text, int64_t first, int64_t count) {
  std::size_t begin = 0;
  while (first-- > 0) begin += utf8_length(text[begin]);
  std::size_t end = begin;
  while (count-- > 0) end += utf8_length(text[end]);
  return text.substr(begin, end - begin);
}

bool is_space(char32_t c) { return is_white_space(c) || (c >= 0x1C && c <= 0x1F); }

bool is_digit(char32_t c) { return category(c) == UTF8PROC_CATEGORY_ND || is_in(kOtherDigits, c); }

bool is_letter(char32_t c) {
  const utf8proc_category_t kind = category(c);
  return is_cased(c) || kind == UTF8PROC_CATEGORY_LM || kind == UTF8PROC_CATEGORY_LO;
}

bool is_alphanumeric(char32_t c) {
  const utf8proc_category_t kind = category(c);
  return is_letter(c) || is_digit(c) || kind == UTF8PROC_CATEGORY_NL || kind == UTF8PROC_CATEGORY_NO;
}

bool is_upper(char32_t c) { return category(c) == UTF8PROC_CATEGORY_LU || is_in(kOtherUpper, c); }
bool is_lower(char32_t c) { return category(c) == UTF8PROC_CATEGORY_LL || is_in(kOtherLower, c); }

bool starts_identifier(char32_t c) { return c == '_' || is_letter(c) || category(c) == UTF8PROC_CATEGORY_NL; }

bool continues_identifier(char32_t c) {
  const utf8proc_category_t kind = category(c);
  return starts_identifier(c) || kind == UTF8PROC_CATEGORY_MN || kind == UTF8PROC_CATEGORY_MC ||
         kind == UTF8PROC_CATEGORY_ND || kind == UTF8PROC_CATEGORY_PC;
}

std::string to_upper(std::string_view text) {
  std::string result;
  for (std::size_t position = 0; position < text.size();) append_upper(next_code_point(text, position), result);
  return result;
}

std::string to_lower(std::string_view text) {
  std::string result;
  const std::u32string characters = decoded(text);
  for (std::size_t i = 0; i < characters.size(); ++i) append_lower(characters, i, result);
  return result;
}

std::string capitalized(std::string_view text) {
  std::string result;
  const std::u32string characters = decoded(text);
  for (std::size_t i = 0; i < characters.size(); ++i)
    i == 0 ? append_title(characters[i], result) : append_lower(characters, i, result);
  return result;
}

std::string titled(std::string_view text) {
  std::string result;
  const std::u32string characters = decoded(text);
  bool inside_word = false;
  for (std::size_t i = 0; i < characters.size(); ++i) {
    inside_word ? append_lower(characters, i, result) : append_title(characters[i], result);
    inside_word = is_cased(characters[i]);
  }
  return result;
}

std::string_view stripped(std::string_view text, Side side) {
  return strip_while(text, side, [](std::string_view character) { return is_space(decode(character)); });
}

std::string_view stripped(std::string_view text, Side side, std::string_view characters) {
  return strip_while(text, side,
                     [&](std::string_view character) { return characters.find(character) != std::string_view::npos; });
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string_view> lines;
  std::size_t begin = 0;
  for (std::size_t position = 0; position < text.size();) {
    const std::size_t end = position;
    const char32_t c = next_code_point(text, position);
    if (!ends_line(c)) continue;
    if (c == '\r' && position < text.size() && text[position] == '\n') ++position;
    lines.push_back(text.substr(begin, (keep_ends ? position : end) - begin));
    begin = position;
  }
  if (begin < text.size()) lines.push_back(text.substr(begin));
  return lines;
}

}  // namespace lockstep::jinja
