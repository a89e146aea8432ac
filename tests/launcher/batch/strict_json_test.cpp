#include "launcher/batch/strict_json.h"

#include "launcher/batch/row_fault.h"
#include "tests/support/expect_throw.h"

#include <nlohmann/json.hpp>

namespace lockstep {
namespace {

using testing_support::expect_throw;

void expect_format_error(std::string_view text, std::vector<std::string_view> parts) {
  SCOPED_TRACE(text);
  parts.push_back("f:1: ");
  expect_throw<RowFault>([&] { parse_strict_json(text, "f:1: "); }, parts);
}

TEST(StrictJson, RefusesTextThatIsNoObject) {
  expect_format_error("", {"not a JSON object in valid UTF-8"});
  expect_format_error("{\"a\":1", {"not a JSON object", "column 7"});
  expect_format_error("{'a':1}", {"not a JSON object"});
  expect_format_error("{\"a\":1} {\"b\":2}", {"not a JSON object"});
  expect_format_error("{\"a\":NaN}", {"not a JSON object"});
  expect_format_error("{\"a\":1e999}", {"not a JSON object"});
  expect_format_error("[1,2]", {"expected a JSON object, found [1,2]"});
  expect_format_error("3", {"expected a JSON object, found 3"});
}

TEST(StrictJson, RefusesInvalidUtf8) {
  expect_format_error("{\"a\":\"\xFF\"}", {"ill-formed UTF-8"});
  expect_format_error("{\"a\":\"\xC3\"}", {"ill-formed UTF-8"});
  expect_format_error("{\"a\":\"\xED\xA0\x80\"}", {"ill-formed UTF-8"});
  expect_format_error("{\"a\":\"\\ud800\"}", {"surrogate"});
}

TEST(StrictJson, RefusesRepeatedKeys) {
  expect_format_error(R"({"a":1,"a":1})", {"key \"a\" occurs twice"});
  expect_format_error(R"({"a":1,"\u0061":1})", {"key \"a\" occurs twice"});
  expect_format_error(R"({"b":{"a":1,"c":[],"a":2}})", {"key \"a\" occurs twice"});
  EXPECT_NO_THROW(parse_strict_json(R"({"a":{"a":1},"b":[{"a":1},{"a":2}]})", ""));
}

TEST(StrictJson, RefusesDeepNesting) {
  const std::string deep = "{\"a\":" + std::string(100000, '[') + std::string(100000, ']') + "}";
  expect_throw<RowFault>([&] { parse_strict_json(deep, "f:1: "); }, {"nested deeper than 64"});
}

TEST(StrictJson, RefusesObjectsOfVeryManyKeys) {
  std::string text = "{\"k\":0";
  for (int i = 0; i < 5000; ++i) text += ",\"" + std::to_string(i) + "\":0";
  expect_throw<RowFault>([&] { parse_strict_json(text + "}", "f:1: "); }, {"more than 4096 keys"});
}

TEST(StrictJson, KeepsTheOrderOfKeys) {
  EXPECT_EQ(parse_strict_json(R"({"b":1,"a":2})", "").dump(), R"({"b":1,"a":2})");
}

TEST(StrictJson, ShowsLongValuesShortened) {
  EXPECT_EQ(show_json("caf\xC3\xA9"), "\"caf\\u00e9\"");
  EXPECT_EQ(show_json(std::string(1000, 'x')).size(), 60u);
}

}  // namespace
}  // namespace lockstep
