#include "launcher/batch/row_index.h"

#include "tests/support/expect_throw.h"
#include "tests/support/temporary_directory.h"

#include <fcntl.h>
#include <sys/stat.h>

namespace lockstep {
namespace {

using testing_support::expect_throw;
using testing_support::TemporaryDirectory;
using testing_support::write_file;

class RowIndexTest : public testing::Test {
 protected:
  RowIndex open(std::string_view content) {
    write_file(path_, content);
    return RowIndex(path_);
  }
  TemporaryDirectory dir_;
  std::filesystem::path path_ = dir_ / "in.jsonl";
};

TEST_F(RowIndexTest, ReadsRowsInAnyOrderAsTheyStand) {
  const RowIndex index = open("{\"prompt\":\"a\"}\nno JSON at all\n  [1]  \n{\"prompt\":\"d\"}");
  ASSERT_EQ(index.size(), 4);
  EXPECT_EQ(index.read_line(3), "{\"prompt\":\"d\"}");
  EXPECT_EQ(index.read_line(1), "no JSON at all");
  EXPECT_EQ(index.read_line(2), "  [1]  ");
  EXPECT_EQ(index.read_line(0), "{\"prompt\":\"a\"}");
  EXPECT_EQ(index.line_bytes(1), 14);
  EXPECT_FALSE(index.is_too_long(1));
  EXPECT_THROW(index.read_line(4), Error);
  EXPECT_THROW(index.line_number(-1), Error);
}

TEST_F(RowIndexTest, BlankLinesHaveNoRowButCountAsLines) {
  const RowIndex index = open("\n \t\n{\"prompt\":\"a\"}\n{\"prompt\":\"b\"}\n\r\n\n{\"prompt\":\"c\"}\n\n");
  ASSERT_EQ(index.size(), 3);
  EXPECT_EQ(index.line_number(0), 3);
  EXPECT_EQ(index.line_number(1), 4);
  EXPECT_EQ(index.line_number(2), 7);
  EXPECT_EQ(index.read_line(1), "{\"prompt\":\"b\"}");
  EXPECT_EQ(index.read_line(2), "{\"prompt\":\"c\"}");
}

TEST_F(RowIndexTest, AcceptsCrLfAndByteOrderMark) {
  const RowIndex index = open("\xEF\xBB\xBF{\"prompt\":\"a\"}\r\n{\"prompt\":\"b\"}\r\n");
  ASSERT_EQ(index.size(), 2);
  EXPECT_EQ(index.read_line(0), "{\"prompt\":\"a\"}");
  EXPECT_EQ(index.read_line(1), "{\"prompt\":\"b\"}");
  EXPECT_EQ(open("\xEF\xBB\xBF\n{\"prompt\":\"b\"}").line_number(0), 2);
  EXPECT_EQ(open("a\r").read_line(0), "a");
}

TEST_F(RowIndexTest, RowsMayCrossReadingChunks) {
  // 1 MiB is read at once; rows end everywhere in it, at its very end too, and one is longer than two of them.
  std::string content;
  std::vector<std::string> rows;
  for (const size_t bytes : {300000, 300000, 2500000, 1, 300000, 1048576, 17}) {
    rows.push_back("{\"custom_id\":\"" + std::string(bytes, static_cast<char>('a' + rows.size())) + "\"}");
    content += rows.back() + "\n";
  }
  for (const char* end : {"\n", "\r\n"}) {
    for (const size_t bytes : {1048573, 1048574, 1048575, 1048576, 1048577}) {
      const std::string first(bytes, 'x');
      const RowIndex index = open(first + end + "y" + end + content);
      ASSERT_EQ(index.size(), static_cast<int64_t>(rows.size()) + 2);
      EXPECT_TRUE(index.read_line(0) == first);
      EXPECT_EQ(index.read_line(1), "y");
      for (size_t row = 0; row < rows.size(); ++row)
        EXPECT_TRUE(index.read_line(static_cast<int64_t>(row) + 2) == rows[row]) << row;
    }
  }
  EXPECT_EQ(open(content + content).first_with_same_id(static_cast<int64_t>(rows.size()) + 2), 2);
}

TEST_F(RowIndexTest, DigestFollowsContent) {
  const Hash128 one = open("{\"prompt\":\"a\"}\n").digest();
  EXPECT_EQ(open("{\"prompt\":\"a\"}\n").digest(), one);
  EXPECT_NE(open("{\"prompt\":\"a\"}").digest(), one);
  EXPECT_NE(open("{\"prompt\":\"b\"}\n").digest(), one);
}

TEST_F(RowIndexTest, FilesWithoutRowsAreRefused) {
  for (const char* content : {"", "\n\n", "  \r\n", "\xEF\xBB\xBF", " "})
    expect_throw<FormatError>([&] { open(content); }, {"no requests in ", "in.jsonl"});
  expect_throw<FormatError>([&] { RowIndex(path_, "standard input"); }, {"no requests in standard input"});
}

TEST_F(RowIndexTest, TheFirstRowWithAnIdIsToldToTheOthers) {
  const RowIndex index = open(
      "{\"prompt\":\"a\",\"custom_id\":\"x\"}\n\n{\"prompt\":\"b\"}\n{\"custom_id\":\"x\"}\n{\"custom_id\":\"y\"}\n"
      "{\"custom_id\":\"\\u0078\"}\n");
  EXPECT_EQ(index.first_with_same_id(0), std::nullopt);
  EXPECT_EQ(index.first_with_same_id(1), std::nullopt);
  EXPECT_EQ(index.first_with_same_id(2), 0);
  EXPECT_EQ(index.first_with_same_id(3), std::nullopt);
  EXPECT_EQ(index.first_with_same_id(4), 0);
}

TEST_F(RowIndexTest, DefaultIdsCountToo) {
  // Line 2 gives itself the name of line 4, line 5 that of line 3.
  const RowIndex index = open(
      "{\"prompt\":\"1\"}\n{\"custom_id\":\"request-4\"}\n{\"prompt\":\"3\"}\n{\"custom_id\":null}\n"
      "{\"custom_id\":\"request-3\"}\n");
  const std::vector<std::optional<int64_t>> expected{{}, {}, {}, 1, 2};
  for (int64_t row = 0; row < index.size(); ++row)
    EXPECT_EQ(index.first_with_same_id(row), expected[static_cast<size_t>(row)]) << row;
}

TEST_F(RowIndexTest, RowsThatAreNoJsonHaveNoId) {
  const RowIndex index =
      open("{\"custom_id\":\"x\",\n{\"custom_id\":\"x\"}\n{\"custom_id\":\"x\"\n{\"custom_id\":\"x\"}\n");
  EXPECT_EQ(index.first_with_same_id(1), std::nullopt);
  EXPECT_EQ(index.first_with_same_id(2), std::nullopt);
  EXPECT_EQ(index.first_with_same_id(3), 1);
}

TEST_F(RowIndexTest, AFileThatChangedIsNoticed) {
  const RowIndex index = open("{\"prompt\":\"a\"}\n{\"prompt\":\"b\"}\n");
  write_file(path_, "{\"prompt\":\"c\"}\n");
  expect_throw<IoError>([&] { index.read_line(0); }, {"in.jsonl changed while the job ran"});
}

TEST_F(RowIndexTest, UnreadableFilesAreRefused) {
  expect_throw<IoError>([&] { RowIndex(dir_ / "none.jsonl"); }, {"cannot open ", "none.jsonl: No such file"});
  expect_throw<IoError>([&] { RowIndex(dir_.path()); }, {"not a regular file"});
  expect_throw<IoError>([&] { RowIndex("/dev/null"); }, {"not a regular file"});
  ASSERT_EQ(::mkfifo((dir_ / "pipe").c_str(), 0600), 0);
  expect_throw<IoError>([&] { RowIndex(dir_ / "pipe"); }, {"not a regular file"});
}

TEST_F(RowIndexTest, ALineThatIsTooLongIsIndexedButNotRead) {
  // Sparse: holes read as zeros, which are no blanks.
  constexpr int64_t kMax = RowIndex::kMaxLineBytes;
  write_file(path_, "{\"custom_id\":\"x\"}\n");
  const int64_t begin = 18;
  {
    File file(path_, O_RDWR);
    const auto put = [&](std::string_view text, int64_t offset) { file.write(std::as_bytes(std::span(text)), offset); };
    put("\n{\"custom_id\":\"x\"}\n", begin + kMax + 1);  // a line of one byte too many
    put("\r\nlast", begin + kMax + 1 + 19 + kMax);       // a line just within the limit
  }
  const RowIndex index(path_);
  ASSERT_EQ(index.size(), 5);
  EXPECT_TRUE(index.is_too_long(1));
  EXPECT_EQ(index.line_bytes(1), kMax + 1);
  EXPECT_FALSE(index.is_too_long(0));
  EXPECT_EQ(index.first_with_same_id(2), 0);
  EXPECT_FALSE(index.is_too_long(3));
  EXPECT_EQ(index.line_bytes(3), kMax);
  EXPECT_EQ(index.read_line(4), "last");
  EXPECT_EQ(index.line_number(4), 5);
  expect_throw<FormatError>([&] { index.read_line(1); }, {"in.jsonl:2: line of 67108865 bytes is too long"});
}

TEST_F(RowIndexTest, LongBlanksAreStillBlank) {
  const std::string blanks(static_cast<size_t>(RowIndex::kMaxLineBytes) + 10, ' ');
  const RowIndex index = open("a\n" + blanks + "\nb");
  ASSERT_EQ(index.size(), 2);
  EXPECT_EQ(index.read_line(0), "a");
  EXPECT_EQ(index.read_line(1), "b");
  EXPECT_EQ(index.line_number(1), 3);
}

TEST_F(RowIndexTest, AMillionRowsTakeEightBytesEach) {
  constexpr int64_t kRows = 1000000;
  std::string content;
  for (int64_t i = 0; i < kRows; ++i) content += "{\"custom_id\":\"" + std::to_string(i % (kRows - 2)) + "\"}\n";
  const RowIndex index = open(content);
  ASSERT_EQ(index.size(), kRows);
  EXPECT_GE(index.memory_bytes(), 8 * kRows);
  EXPECT_LT(index.memory_bytes(), 8 * kRows + kRows / 4);
  EXPECT_EQ(index.first_with_same_id(kRows - 3), std::nullopt);
  EXPECT_EQ(index.first_with_same_id(kRows - 2), 0);
  EXPECT_EQ(index.first_with_same_id(kRows - 1), 1);
  EXPECT_EQ(index.read_line(123456), "{\"custom_id\":\"123456\"}");
}

}  // namespace
}  // namespace lockstep
