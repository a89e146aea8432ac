// Journals that go on under another manifest, because the user forces it.
#include "launcher/batch/journal.h"
#include "tests/support/expect_throw.h"
#include "tests/support/temporary_directory.h"

namespace lockstep {
namespace {

using testing_support::expect_throw;
using testing_support::memory_directory;
using testing_support::read_file;
using testing_support::TemporaryDirectory;
using testing_support::write_file;

constexpr int64_t kRows = 10;

class JournalMixingTest : public testing::Test {
 protected:
  /// The job's journal with this seed in the manifest.
  Journal open(const std::string& seed, bool force = false) {
    JournalOptions o;
    o.output = dir_ / "out.jsonl";
    o.manifest = {{"input", input_}, {"seed", seed}};
    o.num_rows = num_rows_;
    o.force_resume = force;
    return Journal(o);
  }
  void append(const std::string& seed, bool force, std::initializer_list<int64_t> rows) {
    Journal journal = open(seed, force);
    for (const int64_t row : rows) journal.append(row, "seed " + seed);
  }
  std::vector<std::pair<std::string, int64_t>> mix_of(const Journal& journal) {
    std::vector<std::pair<std::string, int64_t>> mix;
    for (const ForeignRows& rows : journal.mixed_manifests()) mix.emplace_back(rows.manifest.at("seed"), rows.num_rows);
    return mix;
  }
  using Mix = std::vector<std::pair<std::string, int64_t>>;

  TemporaryDirectory dir_{memory_directory()};
  std::filesystem::path journal_ = dir_ / "out.jsonl.journal";
  std::string input_ = "ab";
  int64_t num_rows_ = kRows;
};

TEST_F(JournalMixingTest, ForcedAJobKeepsTheRowsAndSaysWhatTheyWereMadeUnder) {
  append("1", false, {0, 1, 2});
  Journal journal = open("2", /*force=*/true);
  EXPECT_EQ(journal.num_resumed(), 3);
  const std::vector<ForeignRows> mixed = journal.mixed_manifests();
  ASSERT_EQ(mixed.size(), 1u);
  EXPECT_EQ(mixed[0].num_rows, 3);
  EXPECT_EQ(mixed[0].manifest, (Manifest{{"input", "ab"}, {"seed", "1"}}));
  EXPECT_EQ(mixed[0].difference, "  seed: journal has \"1\", this job has \"2\"\n");
  journal.append(3, "seed 2");
  EXPECT_EQ(journal.mixed_manifests()[0].num_rows, 3) << "own rows are not foreign";
  EXPECT_EQ(journal.read(0), "seed 1");
}

TEST_F(JournalMixingTest, WithoutForceItIsRefusedAndNothingIsWritten) {
  append("1", false, {0});
  append("2", true, {1});
  const std::string before = read_file(journal_);
  expect_throw<ConfigError>([&] { open("3"); }, {"other settings", "seed: journal has \"2\", this job has \"3\""});
  expect_throw<ConfigError>([&] { open("1"); }, {"seed: journal has \"2\", this job has \"1\""});
  EXPECT_EQ(read_file(journal_), before);
}

TEST_F(JournalMixingTest, TheLatestManifestGoesOnWithoutComplaintButStillTells) {
  append("1", false, {0, 1});
  append("2", true, {2});
  const std::string before = read_file(journal_);
  for (const bool force : {false, true}) {
    const Journal journal = open("2", force);
    EXPECT_EQ(journal.num_resumed(), 3);
    EXPECT_EQ(mix_of(journal), (Mix{{"1", 2}}));
  }
  EXPECT_EQ(read_file(journal_), before) << "the same manifest is not written again";
}

TEST_F(JournalMixingTest, ManyManifestsAreCountedEachOnce) {
  append("1", false, {0, 1});
  append("2", true, {2});
  append("3", true, {});
  append("1", true, {3});
  EXPECT_EQ(mix_of(open("1")), (Mix{{"2", 1}}));
  append("2", true, {4});
  EXPECT_EQ(mix_of(open("2")), (Mix{{"1", 3}}));
  EXPECT_EQ(mix_of(open("4", true)), (Mix{{"1", 3}, {"2", 2}}));
}

TEST_F(JournalMixingTest, NothingIsMixedWithoutForeignRows) {
  append("1", false, {0});
  EXPECT_TRUE(open("1", true).mixed_manifests().empty());
  // No rows under the first: its journal is simply replaced.
  std::filesystem::remove(journal_);
  append("1", false, {});
  EXPECT_TRUE(open("2").mixed_manifests().empty());
}

TEST_F(JournalMixingTest, AnotherInputIsNeverAccepted) {
  append("1", false, {0, 9});
  const std::string before = read_file(journal_);
  input_ = "cd";
  expect_throw<ConfigError>([&] { open("1", true); },
                            {"another input, which no option mixes", "input: journal has \"ab\", this job has \"cd\""});
  num_rows_ = 3;  // fewer rows than the journal has
  expect_throw<ConfigError>([&] { open("1", true); }, {"another input"});
  expect_throw<ConfigError>([&] { open("1"); }, {"other settings", "input: journal has \"ab\""});
  EXPECT_EQ(read_file(journal_), before);
}

TEST_F(JournalMixingTest, AForcedJobMustSayWhatItsInputIs) {
  append("1", false, {0});
  JournalOptions o;
  o.output = dir_ / "out.jsonl";
  o.manifest = {{"seed", "2"}};
  o.num_rows = kRows;
  o.force_resume = true;
  expect_throw<Error>([&] { Journal{o}; }, {"the manifest has no input"});
}

TEST_F(JournalMixingTest, CutOrChangedAtAnyByteTheJournalKeepsWhatStandsBefore) {
  append("1", false, {0, 1});
  const auto first_end = std::filesystem::file_size(journal_);
  append("2", true, {});
  const auto manifest_end = std::filesystem::file_size(journal_);
  append("2", false, {2, 3});
  const std::string intact = read_file(journal_);
  const size_t record = (intact.size() - manifest_end) / 2;
  const auto check = [&](const std::string& content, size_t damaged_at) {
    SCOPED_TRACE(damaged_at);
    write_file(journal_, content);
    const bool has_manifest = damaged_at >= manifest_end;
    const auto late_rows = static_cast<int64_t>(has_manifest ? (damaged_at - manifest_end) / record : 0);
    if (!has_manifest) {
      EXPECT_THROW(open("2"), ConfigError);
      EXPECT_EQ(read_file(journal_), content);
    }
    {
      const Journal journal = open("2", /*force=*/true);
      EXPECT_EQ(journal.num_resumed(), 2 + late_rows);
      EXPECT_EQ(mix_of(journal), (Mix{{"1", 2}}));
    }
    append("2", false, {8});
    const Journal journal = open("2");
    EXPECT_EQ(journal.num_resumed(), 3 + late_rows);
    EXPECT_EQ(journal.discarded_bytes(), 0);
    EXPECT_EQ(mix_of(journal), (Mix{{"1", 2}}));
  };
  for (size_t at = first_end; at < intact.size(); ++at) {
    check(intact.substr(0, at), at);
    std::string damaged = intact;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << (at % 8)));
    check(damaged, at);
  }
  check(intact, intact.size());
}

}  // namespace
}  // namespace lockstep
