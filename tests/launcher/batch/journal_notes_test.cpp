// Notes in a journal: kept with the job, replaced by each run, and never a reason not to go on.
#include "launcher/batch/journal.h"
#include "tests/support/temporary_directory.h"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

using testing_support::memory_directory;
using testing_support::read_file;
using testing_support::TemporaryDirectory;
using testing_support::write_file;

class JournalNotesTest : public testing::Test {
 protected:
  Journal open(const Notes& notes, bool restart = false) {
    JournalOptions o;
    o.output = dir_ / "out.jsonl";
    o.manifest = {{"input", "ab"}};
    o.notes = notes;
    o.num_rows = 10;
    o.restart = restart;
    return Journal(o);
  }

  TemporaryDirectory dir_{memory_directory()};
  std::filesystem::path journal_ = dir_ / "out.jsonl.journal";
  const Notes slow_{{"ns per page", "900"}}, fast_{{"ns per page", "100"}, {"left out", "disk"}};
};

TEST_F(JournalNotesTest, AResumedJobReplacesThemAndGoesOn) {
  {
    Journal journal = open(slow_);
    EXPECT_EQ(journal.notes(), slow_);
    journal.append(0, "first");
  }
  EXPECT_NE(read_file(journal_).find("\"900\""), std::string::npos);
  Journal journal = open(fast_);
  EXPECT_EQ(journal.notes(), fast_);
  EXPECT_EQ(journal.num_resumed(), 1);
  EXPECT_TRUE(journal.mixed_manifests().empty()) << "rows of the earlier run are not rows of other settings";
  journal.append(1, "second");
  EXPECT_EQ(journal.read(0), "first");
  EXPECT_EQ(journal.read(1), "second");
}

TEST_F(JournalNotesTest, EqualNotesAreNotWrittenAgain) {
  { open(slow_).append(3, "row"); }
  const std::string before = read_file(journal_);
  EXPECT_EQ(open(slow_).notes(), slow_);
  EXPECT_EQ(read_file(journal_), before);
}

TEST_F(JournalNotesTest, TheLastOnesCountAndNoneReplaceSome) {
  { open(slow_).append(3, "row"); }
  open(fast_);
  const std::string before = read_file(journal_);
  EXPECT_EQ(open(fast_).notes(), fast_);
  EXPECT_EQ(read_file(journal_), before) << "the last record is what equal notes are held against";
  open({});
  EXPECT_NE(read_file(journal_), before);
  const std::string without = read_file(journal_);
  EXPECT_EQ(open({}).notes(), Notes{});
  EXPECT_EQ(read_file(journal_), without);
}

TEST_F(JournalNotesTest, AJobWithoutNotesHasNoRecordOfThem) {
  open({});
  const std::string empty = read_file(journal_);
  EXPECT_EQ(empty, encode_journal_header({{"input", "ab"}}));
  open(slow_, /*restart=*/true);
  EXPECT_GT(read_file(journal_).size(), empty.size());
  open({}, /*restart=*/true);
  EXPECT_EQ(read_file(journal_), empty);
}

// As with any other record: what stands before stays, and the rest is computed again.
TEST_F(JournalNotesTest, DamagedOnesEndTheJournal) {
  { open(slow_).append(0, "first"); }
  const auto first_end = std::filesystem::file_size(journal_);
  { open(fast_).append(1, "second"); }
  const std::string intact = read_file(journal_);
  const size_t notes_end = first_end + encode_record(RecordKind::kNotes, kManifestRow, encode_manifest(fast_)).size();
  for (size_t at = first_end; at < notes_end; ++at) {
    std::string damaged = intact;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    write_file(journal_, damaged);
    Journal journal = open(slow_);
    EXPECT_EQ(journal.num_resumed(), 1) << at;
    EXPECT_EQ(journal.discarded_bytes(), static_cast<int64_t>(intact.size() - first_end)) << at;
    EXPECT_EQ(journal.notes(), slow_) << at;
    EXPECT_EQ(std::filesystem::file_size(journal_), first_end) << at;
  }
}

}  // namespace
}  // namespace lockstep
