#include "core/text/utf8.h"

#include <gtest/gtest.h>
#include <string>
#include <utility>
#include <vector>

namespace lockstep {
namespace {

const std::string kBad(kReplacementCharacter);

/// Invalid texts and what they are read as: one U+FFFD per maximal subpart.
std::vector<std::pair<std::string, std::string>> invalid_texts() {
  return {
      {"a\x80z", "a" + kBad + "z"},
      {"\xED\xA0\x80", kBad + kBad + kBad},             // a surrogate
      {"\xC0\xAF", kBad + kBad},                        // overlong
      {"\xE0\x80\xAF", kBad + kBad + kBad},             // overlong
      {"\xF4\x90\x80\x80", kBad + kBad + kBad + kBad},  // beyond U+10FFFF
      {"\xE2\x98", kBad},                               // cut off
      {"\xF0\x9F\x98"
       "A",
       kBad + "A"},                                     // cut short
      {"\xE2\x98\xE2\x98\x83", kBad + "\xE2\x98\x83"},  // restarts
      {"ASCII of more than eight bytes \xFF", "ASCII of more than eight bytes " + kBad},
  };
}

TEST(Utf8, ReplacesMaximalSubparts) {
  for (const auto& [bytes, expected] : invalid_texts()) {
    EXPECT_FALSE(is_valid_utf8(bytes));
    EXPECT_EQ(replace_invalid_utf8(bytes), expected);
  }
}

TEST(Utf8, ValidTextIsLeftAlone) {
  for (const std::string text :
       {"", "plain", "\x7F", "\xC2\x80", "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(is_valid_utf8(text));
    EXPECT_EQ(replace_invalid_utf8(text), std::nullopt);
  }
}

TEST(Utf8, StreamsAnyCutAlike) {
  for (const auto& [bytes, expected] : invalid_texts()) {
    const std::string whole = "\xE2\x98\x83" + bytes + "\xF0\x9F\x98\x80";
    for (size_t cut = 0; cut <= whole.size(); ++cut) {
      LossyUtf8 decoder;
      std::string text;
      decoder.push(std::string_view(whole).substr(0, cut), text);
      EXPECT_TRUE(is_valid_utf8(text));
      decoder.push(std::string_view(whole).substr(cut), text);
      decoder.finish(text);
      EXPECT_EQ(text, *replace_invalid_utf8(whole)) << "cut at " << cut;
    }
  }
}

TEST(Utf8, CodePointsThereAndBack) {
  for (char32_t c = 1; c < 0x110000; c = c * 3 / 2 + 1) {
    if (c >= 0xD800 && c < 0xE000) continue;
    std::string text;
    append_utf8(c, text);
    EXPECT_TRUE(is_valid_utf8(text));
    EXPECT_EQ(utf8_length(text[0]), text.size());
    size_t at = 0;
    EXPECT_EQ(next_code_point(text, at), c);
    EXPECT_EQ(at, text.size());
  }
}

}  // namespace
}  // namespace lockstep
