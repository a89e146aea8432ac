#include "launcher/batch/journal_reader.h"

#include "launcher/batch/journal.h"
#include "tests/support/temporary_directory.h"

#include <algorithm>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <numeric>
#include <random>
#include <string>

namespace lockstep {
namespace {

using testing_support::memory_directory;
using testing_support::TemporaryDirectory;
using testing_support::write_file;

class JournalReaderTest : public testing::Test {
 protected:
  /// Appends all rows in this order, row r with the line line_of(r), and reads them.
  template <class LineOf>
  void expect_in_order(const std::vector<int64_t>& order, const LineOf& line_of) {
    Journal journal({.output = dir_ / "out",
                     .manifest = {{"input", "ab"}},
                     .num_rows = static_cast<int64_t>(order.size()),
                     .restart = true,
                     .sync_records = 1 << 30});
    for (const int64_t row : order)
      journal.append(row, row % 5 == 0 ? RowKind::kError : RowKind::kResult, line_of(row));
    int64_t next = 0;
    for_each_row_in_order(journal, [&](int64_t row, RowKind kind, std::string_view line) {
      ASSERT_EQ(row, next++);
      ASSERT_EQ(kind, row % 5 == 0 ? RowKind::kError : RowKind::kResult);
      ASSERT_TRUE(line == line_of(row)) << row;
    });
    EXPECT_EQ(next, journal.num_rows());
  }
  static std::vector<int64_t> ascending(int64_t rows) {
    std::vector<int64_t> order(static_cast<size_t>(rows));
    std::iota(order.begin(), order.end(), 0);
    return order;
  }

  TemporaryDirectory dir_{memory_directory()};
};

TEST_F(JournalReaderTest, AnyOrderOfManyRowsBecomesInputOrder) {
  const auto line_of = [](int64_t row) { return "line " + std::to_string(row * row); };
  auto order = ascending(150000);  // more than two windows of rows
  expect_in_order(order, line_of);
  std::reverse(order.begin(), order.end());
  expect_in_order(order, line_of);
  std::shuffle(order.begin(), order.end(), std::mt19937(5));
  expect_in_order(order, line_of);
}

TEST_F(JournalReaderTest, LargeRowsDoNotMakeLargeWindows) {
  // 150 MB in all, single rows larger than a window, and small ones between and after.
  const auto line_of = [](int64_t row) {
    const size_t bytes = row % 20 == 7 ? size_t{40} << 20 : row < 60 ? size_t{300000} : size_t{10};
    return std::string(bytes, static_cast<char>('a' + row % 26));
  };
  auto order = ascending(67);
  std::shuffle(order.begin(), order.end(), std::mt19937(5));
  expect_in_order(order, line_of);
}

TEST_F(JournalReaderTest, ForwardReaderGivesWhatStandsThere) {
  std::string content(5000000, '\0');
  std::mt19937 random(1);
  for (char& byte : content) byte = static_cast<char>(random());
  write_file(dir_ / "f", content);
  const File file(dir_ / "f", O_RDONLY);
  ForwardReader reader(file);
  for (int i = 0; i < 3000; ++i) {
    const size_t offset = i % 3 == 0 ? random() % (content.size() + 100) : (static_cast<size_t>(i) * 7919) % 4900000;
    const size_t count = i % 50 == 0 ? random() % 3000000 : random() % 5000;
    const auto bytes = reader.at(static_cast<int64_t>(offset), count);
    const std::string_view expected =
        offset < content.size() ? std::string_view(content).substr(offset, count) : std::string_view();
    ASSERT_TRUE(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()) == expected)
        << offset << " " << count;
  }
}

TEST_F(JournalReaderTest, OnlyWholeRecordsAreRead) {
  const std::string record = encode_record(RecordKind::kError, 7, "payload");
  for (size_t bytes = 0; bytes < record.size(); ++bytes) {
    write_file(dir_ / "f", record.substr(0, bytes));
    const File file(dir_ / "f", O_RDONLY);
    ForwardReader reader(file);
    EXPECT_FALSE(read_record(reader, 0)) << bytes;
  }
  write_file(dir_ / "f", "x" + record);
  const File file(dir_ / "f", O_RDONLY);
  ForwardReader reader(file);
  const auto read = read_record(reader, 1);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->head.row, 7);
  EXPECT_EQ(read->head.kind, RecordKind::kError);
  EXPECT_EQ(read->payload, "payload");
  EXPECT_FALSE(read_record(reader, 0));
  EXPECT_FALSE(read_record(reader, 1000000));
}

}  // namespace
}  // namespace lockstep
