#include "core/text/regex.h"

#include "core/error.h"
#include "core/text/regex_dialect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <utility>

namespace lockstep {
namespace {

std::string first_match(const std::string& pattern, const std::string& text) {
  const auto match = Regex::from_oniguruma(pattern, "here").find(text, 0);
  return match ? text.substr(match->begin, match->end - match->begin) : "(none)";
}

TEST(RegexDialect, Translates) {
  const std::pair<const char*, const char*> cases[] = {
      {"\\s+(?!\\S)", "\\p{wspace}+(?!\\P{wspace})"},           {"[^\\s\\d]", "[^\\p{wspace}\\p{Nd}]"},
      {"\\p{Han}\\p{^Lu}\\P{N}", "\\p{sc:Han}\\p{^Lu}\\P{N}"},  {"a{,3}b{2}c{1,}{x", "a{0,3}b{2}c{1,}{x"},
      {"\\u00e9\\x41\\x{1F600}", "\\x{00e9}\\x{41}\\x{1F600}"}, {"(?i:'s|'t)|\\[\\-]", "(?i:'s|'t)|\\[\\-]"},
  };
  for (const auto& [from, to] : cases) EXPECT_EQ(pcre2_from_oniguruma(from, "here"), to);
}

TEST(RegexDialect, RefusesByName) {
  for (const char* pattern : {"\\w+", "\\h", "\\1", "[a&&b]", "[a[bc]]", "[[:alpha:]]", "a{2}?", "a{1,3}+", "b(?i)a",
                              "(?m:.)", "(*UTF)", "\\x80", "\\u12", "\\x{41", "\\pL", "\\"}) {
    try {
      pcre2_from_oniguruma(pattern, "tokenizer.json: pattern");
      ADD_FAILURE() << pattern;
    } catch (const FormatError& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr("tokenizer.json: pattern")) << pattern;
      EXPECT_THAT(error.what(), testing::HasSubstr(pattern));
    }
  }
}

TEST(Regex, RefusesWhatDoesNotCompile) {
  EXPECT_THROW(Regex::from_oniguruma("(a", "here"), FormatError);
  EXPECT_THROW(Regex::from_oniguruma("\\p{NoSuchScript}", "here"), FormatError);
}

TEST(Regex, UsesUnicodeProperties) {
  EXPECT_EQ(first_match("\\p{L}+", "12Größe!"), "Größe");
  EXPECT_EQ(first_match("\\p{N}+", "x٣½Ⅳ "), "٣½Ⅳ");
  EXPECT_EQ(first_match("\\s", "\u180E\u3000"), "\u3000");  // U+180E is no white space since Unicode 6.3
  EXPECT_EQ(first_match("(?i:'s)", "X'ſ"), "'ſ");           // Unicode case folding
  EXPECT_EQ(first_match("^b$", "a\nb\nc"), "b");            // Ruby's anchors match at every line
  EXPECT_EQ(first_match("a.", "a\na\r"), "a\r");            // and only \n ends one
}

TEST(Regex, LongTextsNeitherFailNorHang) {
  const std::string spaces(1 << 20, ' ');
  EXPECT_EQ(first_match("\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+", spaces).size(), spaces.size());
  EXPECT_EQ(first_match("(?:a|b)+", std::string(100'000, 'a')).size(), 100'000U);
}

}  // namespace
}  // namespace lockstep
