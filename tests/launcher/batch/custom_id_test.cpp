#include "launcher/batch/custom_id.h"

#include <gtest/gtest.h>
#include <random>
#include <string>
#include <vector>

namespace lockstep {
namespace {

const std::optional<std::string> kNone;  // the row can have no id

struct Case {
  const char* line;
  std::optional<std::string> id;
};

const Case kCases[] = {
    {R"({"custom_id":"a"})", "a"},
    {R"( { "custom_id" : "a" , "prompt" : "b" } )", "a"},
    {"\t{\t\"custom_id\"\t:\t\"a\"}\r", "a"},
    {R"({"prompt":"x","custom_id":"last"})", "last"},
    {R"({"prompt":"a \" , \\","custom_id":"b"})", "b"},
    {R"({"prompt":"\\\\","custom_id":"b"})", "b"},
    {R"({"prompt":[1,2,[3,{"custom_id":"inner"}],"]"],"custom_id":"outer"})", "outer"},
    {R"({"body":{"custom_id":"inner","a":{}},"n":-1.5e3,"t":true,"z":null,"custom_id":"outer"})", "outer"},
    {R"({"body":{"custom_id":"inner"}})", ""},
    {R"({"prompt":"custom_id"})", ""},
    {R"({"prompt":"\"custom_id\":\"x\""})", ""},
    {R"({"prompt":"x","custom_id":null})", ""},
    {R"({"custom_id":null})", ""},
    {"{}", ""},
    {" { } ", ""},
    {R"({"custom_id":"\u0061\n\"\\"})", "a\n\"\\"},
    {R"({"custom\u005fid":"a"})", "a"},
    {R"({"a\"b":1,"custom_id":"c"})", "c"},
    {R"({"custom_id":"Größe 東京"})", "Größe 東京"},
    {R"({"custom_id":"request-3"})", "request-3"},
    // No ids.
    {"", kNone},
    {"x", kNone},
    {"[]", kNone},
    {"null", kNone},
    {"7", kNone},
    {"\"custom_id\"", kNone},
    {R"([{"custom_id":"a"}])", kNone},
    {R"({"custom_id":"a"}{"b":1})", kNone},
    {R"({"custom_id":"a")", kNone},
    {R"({"custom_id":"a)", kNone},
    {R"({"custom_id":"a\)", kNone},
    {R"({"custom_id":)", kNone},
    {R"({"custom_id")", kNone},
    {R"({"custom_id":"a","prompt":})", kNone},
    {R"({"prompt":"x"]})", kNone},
    {R"({"custom_id":7})", kNone},
    {R"({"custom_id":true})", kNone},
    {R"({"custom_id":1.5})", kNone},
    {R"({"custom_id":["a"]})", kNone},
    {R"({"custom_id":{"a":"b"}})", kNone},
    {R"({"custom_id":""})", kNone},
    {R"({"custom_id":"a","custom_id":"b"})", kNone},
    {"{\"custom_id\":\"a\xC3\"}", kNone},
};

TEST(CustomId, IsReadFromTheTopOfTheRow) {
  for (const Case& c : kCases) EXPECT_EQ(read_custom_id(c.line), c.id) << c.line;
}

TEST(CustomId, ScanningAgreesOnEveryRowThatHasOne) {
  std::string storage;
  for (const Case& c : kCases) {
    const auto scanned = scan_custom_id(c.line, storage);
    if (!c.id) continue;
    EXPECT_EQ(scanned, *c.id) << c.line;
  }
}

TEST(CustomId, ScanningAgreesOnMutatedRowsAndStaysInside) {
  std::mt19937 random(7);
  const std::string alphabet = "{}[]:,\"\\ ncu\xC3\xA4";
  std::string storage;
  int num_valid = 0;
  for (const Case& c : kCases) {
    for (int i = 0; i < 400; ++i) {
      std::string text = c.line;
      for (auto edits = 1 + random() % 3; edits > 0 && !text.empty(); --edits) {
        const size_t at = random() % text.size();
        if (random() % 2 == 0)
          text[at] = alphabet[random() % alphabet.size()];
        else if (random() % 2 == 0)
          text.erase(at, 1);
        else
          text.insert(at, 1, alphabet[random() % alphabet.size()]);
      }
      // A copy of exactly this size: a sanitizer sees a read behind it.
      const std::vector<char> exact(text.begin(), text.end());
      const std::string_view line(exact.data(), exact.size());
      const auto scanned = scan_custom_id(line, storage);
      const auto read = read_custom_id(line);
      if (!read) continue;
      ++num_valid;
      ASSERT_EQ(scanned, *read) << text;
    }
  }
  EXPECT_GT(num_valid, 1000);
}

TEST(CustomId, DeepNestingNeedsNoStack) {
  const std::string deep = "{\"a\":" + std::string(1000000, '[') + std::string(1000000, ']') + ",\"custom_id\":\"x\"}";
  std::string storage;
  EXPECT_EQ(scan_custom_id(deep, storage), "x");
  EXPECT_EQ(read_custom_id(deep), "x");
}

TEST(CustomId, DefaultNamesTheLine) { EXPECT_EQ(default_custom_id(12), "request-12"); }

}  // namespace
}  // namespace lockstep
