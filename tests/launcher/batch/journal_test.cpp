#include "launcher/batch/journal.h"

#include "launcher/batch/output_files.h"
#include "tests/launcher/batch/full_disk.h"
#include "tests/support/expect_throw.h"
#include "tests/support/temporary_directory.h"

#include <csignal>
#include <fstream>
#include <memory>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace lockstep {
namespace {

using testing_support::expect_throw;
using testing_support::read_file;
using testing_support::SmallDisk;
using testing_support::TemporaryDirectory;
using testing_support::write_file;

class JournalTest : public testing::Test {
 protected:
  JournalOptions options(int64_t rows, bool restart = false) const {
    JournalOptions o;
    o.output = output_;
    o.manifest = {{"input", "ab"}, {"model.fingerprint", "cd"}};
    o.num_rows = rows;
    o.restart = restart;
    return o;
  }
  TemporaryDirectory dir_;
  std::filesystem::path output_ = dir_ / "out.jsonl";
  std::filesystem::path journal_ = dir_ / "out.jsonl.journal";
};

TEST_F(JournalTest, WritesRowsInInputOrderWhateverTheOrderOfAppending) {
  Journal journal(options(4));
  EXPECT_TRUE(journal.is_locked());
  for (const int64_t row : {2, 0, 3, 1}) journal.append(row, "line " + std::to_string(row));
  EXPECT_EQ(journal.num_finished(), 4);
  EXPECT_EQ(journal.num_resumed(), 0);
  write_output_files(journal, {.output = output_});
  EXPECT_EQ(read_file(output_), "line 0\nline 1\nline 2\nline 3\n");
  EXPECT_FALSE(std::filesystem::exists(journal_));
  EXPECT_FALSE(std::filesystem::exists(dir_ / "out.jsonl.partial"));
}

TEST_F(JournalTest, LargeResultsPassThroughBuffersWhole) {
  Journal journal(options(6));
  std::string all;
  for (int64_t row = 0; row < 6; ++row) {
    const std::string line(static_cast<size_t>(row) * 700000 + 1, static_cast<char>('a' + row));
    journal.append(row, line);
    all += line + "\n";
  }
  journal.flush();
  { Journal moved(std::move(journal)); }
  Journal again(options(6));
  EXPECT_EQ(again.num_resumed(), 6);
  EXPECT_EQ(again.discarded_bytes(), 0);
  write_output_files(again, {.output = output_});
  EXPECT_TRUE(read_file(output_) == all);
}

TEST_F(JournalTest, ContinuesWithTheRowsThatAreThere) {
  {
    Journal journal(options(3));
    journal.append(1, "one");
  }
  Journal journal(options(3));
  EXPECT_EQ(journal.num_resumed(), 1);
  EXPECT_FALSE(journal.is_finished(0));
  EXPECT_TRUE(journal.is_finished(1));
  EXPECT_EQ(journal.read(1), "one");
  journal.append(0, "zero");
  journal.append(2, "two");
  EXPECT_EQ(journal.num_resumed(), 1);
  write_output_files(journal, {.output = output_});
  EXPECT_EQ(read_file(output_), "zero\none\ntwo\n");
}

TEST_F(JournalTest, ASecondJobWithTheSameOutputIsRefused) {
  Journal journal(options(1));
  expect_throw<IoError>([&] { Journal(options(1)); }, {"another job is writing ", "out.jsonl", "out.jsonl.journal"});
  expect_throw<IoError>([&] { Journal(options(1, /*restart=*/true)); }, {"another job is writing "});
  journal.append(0, "x");
  EXPECT_EQ(journal.read(0), "x");
}

TEST_F(JournalTest, APatientJobWaitsForOneThatIsEnding) {
  auto ending = std::make_unique<Journal>(options(2));
  ending->append(0, "zero");
  std::thread end([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    ending.reset();
  });
  JournalOptions patient = options(2);
  patient.lock_patience = std::chrono::seconds(30);
  const Journal journal(patient);
  end.join();
  EXPECT_TRUE(journal.is_finished(0));
  EXPECT_FALSE(journal.is_finished(1));
}

TEST_F(JournalTest, OtherSettingsAreRefusedNamingEachDifference) {
  { Journal(options(2)).append(0, "zero"); }
  JournalOptions other = options(2);
  other.manifest["model.fingerprint"] = "ef";
  other.manifest["seed"] = "1";
  expect_throw<ConfigError>([&] { Journal{other}; },
                            {"out.jsonl.journal", "model.fingerprint: journal has \"cd\", this job has \"ef\"",
                             "seed: journal has nothing, this job has \"1\"", "--restart"});
  // Refusing loses nothing.
  EXPECT_EQ(Journal(options(2)).num_resumed(), 1);
  other.restart = true;
  EXPECT_EQ(Journal(other).num_resumed(), 0);
}

TEST_F(JournalTest, AJournalWithoutRowsYieldsToOtherSettings) {
  { Journal journal(options(2)); }
  JournalOptions other = options(5);
  other.manifest["seed"] = "1";
  EXPECT_EQ(Journal(other).num_rows(), 5);
}

TEST_F(JournalTest, AnExistingOutputIsReplacedOnlyWhenAsked) {
  write_file(output_, "old\n");
  expect_throw<ConfigError>([&] { Journal(options(1)); }, {"out.jsonl exists", "--restart"});
  EXPECT_FALSE(std::filesystem::exists(journal_));
  {
    Journal journal(options(1, /*restart=*/true));
    journal.append(0, "new");
    EXPECT_EQ(read_file(output_), "old\n") << "the old output stays until the new one is whole";
  }
  Journal continued(options(1));  // without --restart
  write_output_files(continued, {.output = output_});
  EXPECT_EQ(read_file(output_), "new\n");
}

TEST_F(JournalTest, KilledBetweenRenameAndRemovalTheSameCommandFinishes) {
  {
    Journal journal(options(1));
    journal.append(0, "x");
    journal.flush();
    std::filesystem::copy_file(journal_, dir_ / "copy");
    write_output_files(journal, {.output = output_});
  }
  std::filesystem::rename(dir_ / "copy", journal_);
  Journal journal(options(1));
  EXPECT_EQ(journal.num_resumed(), 1);
  write_output_files(journal, {.output = output_});
  EXPECT_EQ(read_file(output_), "x\n");
  EXPECT_FALSE(std::filesystem::exists(journal_));
}

TEST_F(JournalTest, PlacesThatCannotBeWrittenAreRefusedAtOnce) {
  JournalOptions o = options(1);
  o.output = dir_ / "missing/out.jsonl";
  expect_throw<IoError>([&] { Journal{o}; }, {"cannot open ", "missing/out.jsonl.journal", "No such file"});
  o.output = dir_.path();
  expect_throw<ConfigError>([&] { Journal{o}; }, {"is not a regular file"});
  o.output = "/dev/null";
  expect_throw<ConfigError>([&] { Journal{o}; }, {"/dev/null is not a regular file"});
}

TEST_F(JournalTest, MisuseIsNoticed) {
  Journal journal(options(2));
  journal.append(0, "x");
  EXPECT_THROW(journal.append(0, "x"), Error);
  EXPECT_THROW(journal.append(2, "x"), Error);
  EXPECT_THROW(journal.append(1, ""), Error);
  EXPECT_THROW(journal.append(1, "a\nb"), Error);
  EXPECT_THROW(journal.read(1), Error);
  expect_throw<Error>([&] { write_output_files(journal, {.output = output_}); }, {"only 1 of 2 rows are finished"});
}

TEST_F(JournalTest, AFullDiskLeavesAValidJournalThatCanGoOn) {
  Journal journal(options(3));
  journal.append(0, std::string(100, 'a'));
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = before;
  small.rlim_cur = std::filesystem::file_size(journal_) + 50;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  expect_throw<IoError>([&] { journal.append(1, std::string(100, 'b')); }, {"cannot write ", "out.jsonl.journal"});
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);

  EXPECT_FALSE(journal.is_finished(1));
  journal.append(2, "c");
  journal.append(1, "b");
  { Journal moved(std::move(journal)); }
  Journal again(options(3));
  EXPECT_EQ(again.num_resumed(), 3);
  EXPECT_EQ(again.discarded_bytes(), 0);
}

TEST_F(JournalTest, AFullFileSystemLeavesAValidJournalThatCanGoOn) {
  const SmallDisk disk(64 << 10);
  if (!disk.is_mounted()) GTEST_SKIP() << "mounting a tmpfs takes root";
  JournalOptions o = options(100);
  o.output = disk / "out.jsonl";
  Journal journal(o);
  int64_t row = 0;
  expect_throw<IoError>(
      [&] {
        for (;; ++row) journal.append(row, std::string(5000, 'a'));
      },
      {"cannot write ", "/out.jsonl.journal: No space left on device"});
  EXPECT_GT(row, 8);
  EXPECT_EQ(journal.num_finished(), row);
  EXPECT_FALSE(journal.is_finished(row));
  journal.append(99, "a short one fits");
  { Journal moved(std::move(journal)); }
  const Journal again(o);
  EXPECT_EQ(again.num_resumed(), row + 1);
  EXPECT_EQ(again.discarded_bytes(), 0);
  EXPECT_EQ(again.read(99), "a short one fits");
}

TEST_F(JournalTest, DamageUnderARunningJobIsNotCopiedToTheOutput) {
  Journal journal(options(1));
  journal.append(0, "payload");
  std::string bytes = read_file(journal_);
  bytes.back() = '!';
  std::fstream file(journal_, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-1, std::ios::end).put('!').flush();
  expect_throw<IoError>([&] { write_output_files(journal, {.output = output_}); },
                        {"out.jsonl.journal is damaged: the record of row 0 at byte"});
  EXPECT_FALSE(std::filesystem::exists(output_));
}

TEST_F(JournalTest, ErrorRowsAreKnownAsSuch) {
  {
    Journal journal(options(3));
    journal.append(1, RowKind::kError, "bad");
    journal.append(0, RowKind::kResult, "good");
    EXPECT_EQ(journal.num_failed(), 1);
  }
  const Journal journal(options(3));
  EXPECT_EQ(journal.num_finished(), 2);
  EXPECT_EQ(journal.num_failed(), 1);
  EXPECT_EQ(journal.kind(0), RowKind::kResult);
  EXPECT_EQ(journal.kind(1), RowKind::kError);
  EXPECT_EQ(journal.read(1), "bad");
  EXPECT_THROW(journal.kind(2), Error);
}

TEST_F(JournalTest, MayStandBesideAnotherPathThanTheOutput) {
  JournalOptions o = options(1);
  o.base = dir_ / "job";
  { Journal(o).append(0, "x"); }
  EXPECT_TRUE(std::filesystem::exists(dir_ / "job.journal"));
  EXPECT_FALSE(std::filesystem::exists(journal_));
  EXPECT_EQ(Journal(o).num_resumed(), 1);
  o.output = "-";
  EXPECT_EQ(Journal(o).num_resumed(), 1);
  o.base.clear();
  expect_throw<ConfigError>([&] { Journal{o}; }, {"standard output needs a path for its journal"});
}

TEST_F(JournalTest, AJournalOfAnotherVersionIsRefusedByName) {
  { Journal(options(1)).append(0, "x"); }
  std::string bytes = read_file(journal_);
  for (const char* version : {"01", "03", "99"}) {
    bytes.replace(6, 2, version);
    write_file(journal_, bytes);
    expect_throw<FormatError>([&] { Journal(options(1)); }, {"out.jsonl.journal has journal format LSJRNL", version,
                                                             "this program reads LSJRNL02", "--restart"});
    JournalOptions force = options(1);
    force.force_resume = true;
    EXPECT_THROW(Journal{force}, FormatError);
    EXPECT_EQ(read_file(journal_), bytes) << "refusing loses nothing";
  }
  EXPECT_EQ(Journal(options(1, /*restart=*/true)).num_resumed(), 0);
}

TEST_F(JournalTest, RowsBeforeAKillAreThereAfterIt) {
  constexpr int64_t kRows = 20000;
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    Journal journal(options(kRows));
    for (int64_t row = 0; row < kRows; ++row) journal.append(row, "line " + std::to_string(row));
    _exit(0);
  }
  // Kills somewhere in the middle: once the file has some hundred records.
  while (!std::filesystem::exists(journal_) || std::filesystem::file_size(journal_) < 10000)
    if (waitpid(child, nullptr, WNOHANG) == child) break;
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);

  Journal journal(options(kRows));
  EXPECT_GT(journal.num_resumed(), 100);
  for (int64_t row = 0; row < journal.num_resumed(); ++row) ASSERT_EQ(journal.read(row), "line " + std::to_string(row));
  for (int64_t row = journal.num_resumed(); row < kRows; ++row) journal.append(row, "line " + std::to_string(row));
  write_output_files(journal, {.output = output_});
  std::string expected;
  for (int64_t row = 0; row < kRows; ++row) expected += "line " + std::to_string(row) + "\n";
  EXPECT_TRUE(read_file(output_) == expected);
}

}  // namespace
}  // namespace lockstep
