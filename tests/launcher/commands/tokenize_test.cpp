#include "launcher/commands/tokenize.h"

#include "core/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sstream>
#include <string>

namespace lockstep {
namespace {

const std::filesystem::path kModel =
    std::filesystem::path(LOCKSTEP_SOURCE_DIR) / "tests/goldens/tokenizers/llama3_style";

std::string run(const std::string& input, bool decode, bool whole = false) {
  std::istringstream in(input);
  std::ostringstream out;
  EXPECT_EQ(run_tokenize(kModel, in, out, decode, whole), 0);
  return out.str();
}

TEST(Tokenize, OneArrayALine) {
  EXPECT_EQ(run("", false), "");
  EXPECT_EQ(run("\n", false), "[426]\n") << "an empty line is an empty text: BOS alone";
  const std::string one = run("Hello", false);
  EXPECT_EQ(run("Hello\nHello", false), one + one) << "the last line may lack its newline";
  EXPECT_NE(run("Hello\r\n", false), one) << "\\r belongs to the line";
}

TEST(Tokenize, DecodesWhatItEncoded) {
  EXPECT_EQ(run(run("a \"b\"\r\nc ☃\n", false), true),
            "\"<|begin_of_text|>a \\\"b\\\"\\r\"\n\"<|begin_of_text|>c ☃\"\n");
}

TEST(Tokenize, WholeInputIsOneText) {
  const std::string ids = run("two\nlines\n", false, true);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), '\n'), 1);
  EXPECT_EQ(run(ids, true, true), "\"<|begin_of_text|>two\\nlines\\n\"\n");
}

TEST(Tokenize, NamesTheLineThatIsWrong) {
  for (const char* bad : {"hello", "{}", "[1, -2]", "[1.5]", "[100000]", "[\"1\"]", ""}) {
    try {
      run(std::string("[1]\n") + bad + "\n", true);
      ADD_FAILURE() << bad;
    } catch (const FormatError& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr("input line 2"));
    }
  }
}

}  // namespace
}  // namespace lockstep
