#include "launcher/batch/output_files.h"

#include "launcher/batch/compression.h"
#include "launcher/batch/output_stream.h"
#include "tests/launcher/batch/full_disk.h"
#include "tests/support/expect_throw.h"

#include <fcntl.h>
#include <fstream>
#include <sys/wait.h>
#include <unistd.h>

namespace lockstep {
namespace {

namespace fs = std::filesystem;
using testing_support::expect_throw;
using testing_support::memory_directory;
using testing_support::read_file;
using testing_support::SmallDisk;
using testing_support::TemporaryDirectory;
using testing_support::write_file;

constexpr int64_t kRows = 10;

bool is_bad(int64_t row) { return row % 3 == 1; }
std::string line_of(int64_t row) { return (is_bad(row) ? "error " : "result ") + std::to_string(row); }

std::string expected(bool bad, bool with_errors = true) {
  std::string text;
  for (int64_t row = 0; row < kRows; ++row)
    if (bad == (with_errors && is_bad(row))) text += line_of(row) + "\n";
  return text;
}

std::string unpack(const fs::path& path) {
  std::string out;
  const auto unpacker = make_unpacker(compression_of_name(path), path.string(), [&](std::span<const std::byte> bytes) {
    out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  });
  const std::string packed = read_file(path);
  unpacker->push(std::as_bytes(std::span(packed)));
  unpacker->finish();
  return out;
}

class OutputFilesTest : public testing::Test {
 protected:
  /// The journal of the job, with all rows that were missing added. Without errors, all rows are results.
  Journal finished_journal(bool with_errors = true) {
    JournalOptions options;
    options.output = paths_.output;
    options.base = base_;
    options.manifest = {{"input", "ab"}};
    options.num_rows = kRows;
    Journal journal(options);
    for (const int64_t row : {3, 0, 9, 4, 1, 2, 8, 5, 7, 6})
      if (!journal.is_finished(row))
        journal.append(row, with_errors && is_bad(row) ? RowKind::kError : RowKind::kResult, line_of(row));
    return journal;
  }
  void write(bool with_errors = true) {
    Journal journal = finished_journal(with_errors);
    write_output_files(journal, paths_);
  }
  void expect_complete() {
    EXPECT_EQ(read_file(output_), expected(false));
    EXPECT_EQ(read_file(errors_), expected(true));
    expect_nothing_else();
  }
  /// Neither journal nor partial files.
  void expect_nothing_else() {
    for (const auto& entry : fs::directory_iterator(dir_.path()))
      EXPECT_TRUE(entry.path() == output_ || entry.path() == errors_) << entry.path();
  }

  TemporaryDirectory dir_{memory_directory()};
  fs::path output_ = dir_ / "out.jsonl", errors_ = dir_ / "out.jsonl.errors.jsonl", base_ = output_;
  OutputPaths paths_{.output = output_};
};

TEST_F(OutputFilesTest, ResultsAndErrorsGoToTheirFilesInInputOrder) {
  write();
  expect_complete();
}

TEST_F(OutputFilesTest, WithoutErrorsThereIsNoErrorFileNotEvenAnOldOne) {
  write_file(errors_, "of an earlier job\n");
  write_file(partial_path(errors_), "of a killed one\n");
  write(/*with_errors=*/false);
  EXPECT_EQ(read_file(output_), expected(false, false));
  EXPECT_FALSE(fs::exists(errors_));
  expect_nothing_else();
}

TEST_F(OutputFilesTest, AnOldErrorFileIsReplaced) {
  write_file(errors_, "of an earlier job, longer than the new one: " + std::string(1000, 'x') + "\n");
  write();
  expect_complete();
}

TEST_F(OutputFilesTest, SuffixesPackEachFileOnItsOwn) {
  for (const auto& [output, errors] :
       {std::pair("out.gz", "err.zst"), {"out.zst", "err.gz"}, {"out.jsonl", "err.gz"}}) {
    paths_ = {.output = dir_ / output, .errors = dir_ / errors};
    base_ = paths_.output;
    write();
    EXPECT_EQ(unpack(paths_.output), expected(false)) << output;
    EXPECT_EQ(unpack(paths_.errors), expected(true)) << errors;
    const std::string before = read_file(paths_.output);
    fs::remove(paths_.output);
    write();
    EXPECT_TRUE(read_file(paths_.output) == before) << "the same bytes in every run";
    fs::remove(paths_.output);
  }
}

TEST_F(OutputFilesTest, AllRowsMayFail) {
  JournalOptions options{.output = output_, .manifest = {{"input", "ab"}}, .num_rows = 1};
  Journal journal(options);
  journal.append(0, RowKind::kError, "bad");
  write_output_files(journal, paths_);
  EXPECT_EQ(read_file(output_), "");
  EXPECT_EQ(read_file(errors_), "bad\n");
}

TEST_F(OutputFilesTest, KilledAfterAnyStepTheSameCommandFinishes) {
  for (const bool has_old_errors : {false, true}) {
    fs::remove(output_);
    std::vector<std::string> steps;
    {
      Journal journal = finished_journal();
      write_output_files(journal, paths_, [&](std::string_view step) { steps.emplace_back(step); });
    }
    ASSERT_EQ(steps.size(), 7u);
    for (size_t kill_at = 0; kill_at < steps.size(); ++kill_at) {
      SCOPED_TRACE(steps[kill_at]);
      fs::remove(output_);
      fs::remove(errors_);
      if (has_old_errors) write_file(errors_, "of an earlier job\n");
      finished_journal();
      const pid_t child = ::fork();
      ASSERT_GE(child, 0);
      if (child == 0) {
        Journal journal = finished_journal();
        size_t step = 0;
        write_output_files(journal, paths_, [&](std::string_view) {
          if (step++ == kill_at) ::_exit(42);
        });
        ::_exit(1);
      }
      int status = 0;
      ASSERT_EQ(::waitpid(child, &status, 0), child);
      ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 42) << status;

      if (fs::exists(output_)) {
        EXPECT_EQ(read_file(output_), expected(false)) << "whoever sees the output sees all of it";
        EXPECT_EQ(read_file(errors_), expected(true)) << "and the errors were there before";
      }
      if (!fs::exists(journal_path(base_))) {
        EXPECT_EQ(kill_at + 1, steps.size());
        expect_complete();
        continue;
      }
      Journal journal = finished_journal();
      EXPECT_EQ(journal.num_resumed(), kRows);
      EXPECT_EQ(journal.num_failed(), 3);
      write_output_files(journal, paths_);
      expect_complete();
    }
  }
}

/// Puts a descriptor in the place of standard output while it lives.
class StandardOutput {
 public:
  explicit StandardOutput(int descriptor) : before_(::dup(STDOUT_FILENO)) { ::dup2(descriptor, STDOUT_FILENO); }
  ~StandardOutput() {
    ::dup2(before_, STDOUT_FILENO);
    ::close(before_);
  }
  StandardOutput(const StandardOutput&) = delete;
  StandardOutput& operator=(const StandardOutput&) = delete;

 private:
  int before_;
};

TEST_F(OutputFilesTest, StandardOutputReceivesTheResults) {
  paths_ = {.output = "-", .errors = errors_};
  EXPECT_EQ(journal_path(base_), dir_ / "out.jsonl.journal");
  Journal journal = finished_journal();
  {
    const File file(output_, O_WRONLY | O_CREAT);
    const StandardOutput stdout_is(file.descriptor());
    write_output_files(journal, paths_);
  }
  expect_complete();
}

TEST_F(OutputFilesTest, APipeThatNobodyReadsIsAnErrorAndTheJournalStays) {
  paths_ = {.output = "-", .errors = errors_};
  Journal journal = finished_journal();
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ::close(ends[0]);
  {
    const StandardOutput stdout_is(ends[1]);
    expect_throw<IoError>([&] { write_output_files(journal, paths_); }, {"cannot write standard output: Broken pipe"});
  }
  ::close(ends[1]);
  EXPECT_TRUE(fs::exists(journal_path(base_)));
  EXPECT_FALSE(fs::exists(partial_path(errors_)));
}

TEST_F(OutputFilesTest, AFullDiskRemovesThePartsAndKeepsTheJournal) {
  SmallDisk disk(64 << 10);
  if (!disk.is_mounted()) GTEST_SKIP() << "mounting a tmpfs takes root";
  paths_ = {.output = disk / "out", .errors = disk / "err"};
  write_file(disk / "ballast", std::string(60 << 10, 'x'));
  JournalOptions options{.output = paths_.output, .base = base_, .manifest = {{"input", "ab"}}, .num_rows = 2};
  {
    Journal journal(options);
    journal.append(0, std::string(20000, 'r'));
    journal.append(1, RowKind::kError, "bad");
    expect_throw<IoError>([&] { write_output_files(journal, paths_); },
                          {"cannot write ", "/out.partial: No space left on device"});
  }
  for (const char* name : {"out", "out.partial", "err", "err.partial"}) EXPECT_FALSE(fs::exists(disk / name)) << name;
  fs::remove(disk / "ballast");
  Journal journal(options);
  EXPECT_EQ(journal.num_resumed(), 2);
  write_output_files(journal, paths_);
  EXPECT_EQ(read_file(disk / "out"), std::string(20000, 'r') + "\n");
  EXPECT_EQ(read_file(disk / "err"), "bad\n");
}

TEST_F(OutputFilesTest, ADamagedRecordIsNamedAndComputedAgain) {
  {
    Journal journal = finished_journal();
    const int64_t offset = journal.offset(5);
    std::fstream file(journal_path(base_), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(offset + kRecordHeadBytes).put('!').flush();
    const std::string where = "row 5 at byte " + std::to_string(offset);
    expect_throw<IoError>([&] { write_output_files(journal, paths_); }, {"out.jsonl.journal is damaged", where});
    EXPECT_FALSE(fs::exists(output_));
    EXPECT_FALSE(fs::exists(partial_path(output_)));
  }
  Journal journal = finished_journal();
  EXPECT_EQ(journal.num_resumed(), 7) << "5 was the eighth to be appended";
  write_output_files(journal, paths_);
  expect_complete();
}

TEST_F(OutputFilesTest, PathsThatCannotWorkAreRefused) {
  const auto refused = [](const OutputPaths& paths, std::string_view why) {
    expect_throw<ConfigError>([&] { check_output_paths(paths); }, {why});
  };
  refused({}, "needs an output");
  refused({.output = "-"}, "needs a path for its error rows");
  refused({.output = output_, .errors = "-"}, "error rows need a file");
  refused({.output = output_, .errors = dir_ / "./out.jsonl"}, "need different files");
  refused({.output = dir_.path()}, "output ");
  refused({.output = output_, .errors = "/dev/null"}, "error file /dev/null is not a regular file");
  check_output_paths({.output = "-", .errors = errors_});
  Journal journal({.output = output_, .manifest = {}, .num_rows = 1});
  expect_throw<Error>([&] { write_output_files(journal, paths_); }, {"only 0 of 1 rows are finished"});
}

}  // namespace
}  // namespace lockstep
