// Damages a small journal in every way that one byte allows. Whatever happens: rows before the damage are kept, nothing
// that was not written is taken for a result, and the job can be finished afterwards.
#include "core/error.h"
#include "launcher/batch/journal.h"
#include "launcher/batch/output_files.h"
#include "tests/support/temporary_directory.h"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

using testing_support::memory_directory;
using testing_support::read_file;
using testing_support::TemporaryDirectory;
using testing_support::write_file;

constexpr int64_t kRows = 5;
const int64_t kAppendOrder[kRows] = {3, 0, 4, 1, 2};

std::string line_of(int64_t row) { return "result of row " + std::to_string(row); }

class JournalFuzzTest : public testing::Test {
 protected:
  JournalFuzzTest() {
    options_.output = dir_ / "out.jsonl";
    options_.manifest = {{"input.digest", "ab"}};
    options_.num_rows = kRows;
    options_.sync_records = 1000;
    header_bytes_ = static_cast<int64_t>(encode_journal_header(options_.manifest).size());
    Journal journal(options_);
    record_ends_.push_back(header_bytes_);
    for (const int64_t row : kAppendOrder) {
      journal.append(row, line_of(row));
      record_ends_.push_back(static_cast<int64_t>(std::filesystem::file_size(journal_path(options_.output))));
    }
    intact_ = read_file(journal_path(options_.output));
  }

  /// Records that end at or before `bytes`.
  int64_t records_within(int64_t bytes) const {
    int64_t count = 0;
    while (count < kRows && record_ends_[static_cast<size_t>(count) + 1] <= bytes) ++count;
    return count;
  }

  /// Opens `content` as the journal: the first `kept` appended rows are there with their own text, and no others.
  void expect_kept(const std::string& content, int64_t kept) {
    write_file(journal_path(options_.output), content);
    const Journal journal(options_);
    ASSERT_EQ(journal.num_resumed(), kept);
    for (int64_t i = 0; i < kRows; ++i) {
      const int64_t row = kAppendOrder[i];
      ASSERT_EQ(journal.is_finished(row), i < kept) << "row " << row;
      if (i < kept) {
        ASSERT_EQ(journal.read(row), line_of(row));
      }
    }
  }

  /// Computes what is missing in the journal as it stands, opens it again and compares the output.
  void expect_finishable() {
    {
      Journal journal(options_);
      for (const int64_t row : kAppendOrder)
        if (!journal.is_finished(row)) journal.append(row, line_of(row));
    }
    Journal journal(options_);
    ASSERT_EQ(journal.num_resumed(), kRows);
    ASSERT_EQ(journal.discarded_bytes(), 0);
    write_output_files(journal, {.output = options_.output});
    std::string expected;
    for (int64_t row = 0; row < kRows; ++row) expected += line_of(row) + "\n";
    ASSERT_EQ(read_file(options_.output), expected);
    std::filesystem::remove(options_.output);
  }

  TemporaryDirectory dir_{memory_directory()};
  JournalOptions options_;
  int64_t header_bytes_ = 0;
  std::vector<int64_t> record_ends_;
  std::string intact_;
};

TEST_F(JournalFuzzTest, CutAtEveryByte) {
  for (size_t bytes = 0; bytes <= intact_.size(); ++bytes) {
    SCOPED_TRACE("cut at byte " + std::to_string(bytes));
    expect_kept(intact_.substr(0, bytes), records_within(static_cast<int64_t>(bytes)));
    expect_finishable();
    if (HasFatalFailure()) return;
  }
}

TEST_F(JournalFuzzTest, EveryByteOfEveryRecordFlipped) {
  for (size_t byte = static_cast<size_t>(header_bytes_); byte < intact_.size(); ++byte) {
    for (const int flip : {1 << (byte % 8), 0xFF}) {
      SCOPED_TRACE("byte " + std::to_string(byte) + " flip " + std::to_string(flip));
      std::string damaged = intact_;
      damaged[byte] = static_cast<char>(damaged[byte] ^ flip);
      expect_kept(damaged, records_within(static_cast<int64_t>(byte)));
      expect_finishable();
      if (HasFatalFailure()) return;
    }
  }
}

TEST_F(JournalFuzzTest, AFlippedHeaderIsRefusedAndLosesNothing) {
  for (size_t byte = 0; byte < static_cast<size_t>(header_bytes_); ++byte) {
    std::string damaged = intact_;
    damaged[byte] = static_cast<char>(damaged[byte] ^ 0x01);
    write_file(journal_path(options_.output), damaged);
    EXPECT_THROW(Journal{options_}, FormatError) << byte;
    EXPECT_EQ(read_file(journal_path(options_.output)), damaged) << byte;
  }
}

TEST_F(JournalFuzzTest, GarbageAfterTheLastRecordIsCutOff) {
  for (const std::string& garbage : {std::string(1, '\0'), std::string(4096, '\0'), std::string(100, '\xFF'),
                                     std::string("LSJRNL02"), intact_.substr(0, intact_.size() / 2)}) {
    expect_kept(intact_ + garbage, kRows);
    expect_finishable();
  }
}

TEST_F(JournalFuzzTest, ARowTwiceCountsOnce) {
  expect_kept(intact_ + encode_record(RecordKind::kResult, 1, "another text"), kRows);
  expect_finishable();
}

TEST_F(JournalFuzzTest, ARowBeyondTheJobIsRefused) {
  write_file(journal_path(options_.output), intact_ + encode_record(RecordKind::kResult, kRows, "x"));
  EXPECT_THROW(Journal{options_}, FormatError);
}

}  // namespace
}  // namespace lockstep
