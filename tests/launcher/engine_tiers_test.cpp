// The cache never changes an answer: whatever tiers, policies, ranks and orders, whatever fails, the same tokens.
#include "core/error.h"
#include "tests/launcher/engine_run.h"
#include "tests/support/temporary_directory.h"

#include <array>
#include <gtest/gtest.h>
#include <string>

namespace lockstep {
namespace {

using testing_support::EngineJob;
using testing_support::EngineOutcome;
using testing_support::EngineRun;
using testing_support::run_engine;
using testing_support::TemporaryDirectory;

const std::filesystem::path kModel = std::filesystem::path(LOCKSTEP_SOURCE_DIR) / "tests/goldens/models/llama_llama3";

/// What the answers depend on.
struct Numerics {
  KvFormat format = KvFormat::kFull;
  bool is_sparse = false;

  int64_t page_tokens() const { return format == KvFormat::kFull ? 8 : 16; }
  void set(EngineConfig& config) const {
    config.format = format;
    config.page_tokens = page_tokens();
    if (is_sparse) {
      config.sparse = SparseRule{
          .ratio = 0.3, .dense_below = 0, .dense_layers = 0, .sink_pages = 0, .recent_pages = 0, .least_pages = 1};
    }
  }
};

// Requests over six prefixes of whole pages, in turn; every third one samples with penalties.
std::vector<EngineJob> shared_prefix_jobs(const Numerics& numerics = {}) {
  const int32_t growth = numerics.format == KvFormat::kFull ? 1 : 3;  // pages are larger: there must be preemption
  std::vector<EngineJob> jobs;
  for (int32_t i = 0; i < 24; ++i) {
    EngineJob job;
    const int32_t prefix = i % 6;
    for (int32_t t = 0; t < 48; ++t) job.prompt.emplace_back(1 + (prefix * 37 + t * 11) % 100);
    for (int32_t t = 0; t < 5 + i % 4; ++t) job.prompt.emplace_back(1 + (i * 13 + t * 7) % 100);
    job.num_new_tokens = 18 + i % 13 * growth;
    if (i % 3 == 0) {
      job.sampling.temperature = 0.9;
      job.sampling.seed = static_cast<uint64_t>(i);
      job.sampling.frequency_penalty = 0.5;
    }
    if (i % 8 == 5) job.sampling.prompt_logprobs = 0;
    if (i % 8 == 2) job.sampling.logprobs = 0;
    jobs.push_back(std::move(job));
  }
  return jobs;
}

enum class Tiers { kNoSharing, kDevice, kHost, kDisk, kWarm, kWarmByOtherRanks };
constexpr std::array kAllTiers = {Tiers::kNoSharing, Tiers::kDevice, Tiers::kHost,
                                  Tiers::kDisk,      Tiers::kWarm,   Tiers::kWarmByOtherRanks};

EngineRun run_of(Tiers tiers, int32_t num_ranks, const std::string& policy, ScheduleOrder order,
                 const std::filesystem::path& directory, const Numerics& numerics = {}) {
  EngineRun run{.num_ranks = num_ranks};
  EngineConfig& config = run.config;
  config = {.max_sequence = 128, .max_step_tokens = 32, .max_sequences = 6, .num_slots = 26};
  numerics.set(config);
  const bool is_split = KvLayout{.format = numerics.format}.splits_first_page();
  if (numerics.format != KvFormat::kFull) config.num_slots = is_split ? 17 : 13;
  config.share_prefixes = tiers != Tiers::kNoSharing;
  config.policy = policy;
  config.order = order;
  if (tiers >= Tiers::kHost) config.tiers.host_slots = tiers == Tiers::kHost ? 16 : 8;
  if (tiers < Tiers::kDisk) return run;
  config.tiers.disk_dir = directory;
  config.tiers.disk_bytes = int64_t{1} << 30;
  return run;
}

struct Totals {
  int64_t demoted = 0, promoted = 0, stored = 0, fetched = 0, dropped = 0, preempted = 0, found = 0;

  void add(const EngineRun& run) {
    demoted += run.stats.demoted_pages;
    promoted += run.stats.promoted_pages;
    stored += run.stats.stored_pages;
    fetched += run.stats.fetched_pages;
    dropped += run.stats.dropped_pages;
    preempted += run.stats.preemptions;
    found += static_cast<int64_t>(run.tiers.stored.size());
  }
};

void expect_same(const std::vector<EngineOutcome>& outcomes, const std::vector<EngineOutcome>& expected) {
  ASSERT_EQ(outcomes.size(), expected.size());
  for (size_t i = 0; i < outcomes.size(); ++i) {
    EXPECT_EQ(outcomes[i].tokens, expected[i].tokens) << "request " << i;
    ASSERT_EQ(outcomes[i].scores.size(), expected[i].scores.size()) << "request " << i;
    for (size_t t = 0; t < outcomes[i].scores.size(); ++t) {
      ASSERT_EQ(outcomes[i].scores[t].logprob, expected[i].scores[t].logprob) << i << " at token " << t;
    }
    ASSERT_EQ(outcomes[i].prompt_scores.size(), expected[i].prompt_scores.size()) << "request " << i;
    for (size_t p = 0; p < outcomes[i].prompt_scores.size(); ++p) {
      ASSERT_EQ(outcomes[i].prompt_scores[p].logprob, expected[i].prompt_scores[p].logprob) << i << " at " << p;
    }
  }
}

std::vector<EngineOutcome> expected_outcomes(const Numerics& numerics = {}, int32_t num_ranks = 1) {
  EngineRun run{.num_ranks = num_ranks};
  run.config = {.max_sequence = 128, .max_step_tokens = 256, .max_sequences = 1, .num_slots = 64};
  numerics.set(run.config);
  run.config.share_prefixes = false;
  run_engine(kModel, shared_prefix_jobs(numerics), run);
  return run.outcomes;
}

struct Case {
  const char* policy;
  Numerics numerics;
};

class EngineTiers : public testing::TestWithParam<Case> {};

TEST_P(EngineTiers, EveryCombinationGivesTheSameTokens) {
  const auto [policy, numerics] = GetParam();
  const std::vector<EngineJob> jobs = shared_prefix_jobs(numerics);
  std::map<Tiers, Totals> totals;
  for (const int32_t num_ranks : {1, 2, 4}) {
    // The model has two KV heads. Where ranks share one, each chooses pages for its own query heads.
    const std::vector<EngineOutcome> expected =
        expected_outcomes(numerics, numerics.is_sparse && num_ranks == 4 ? num_ranks : 1);
    const TemporaryDirectory directory;
    // Stores of a job with as many ranks, and of one with other ranks.
    const std::filesystem::path own = directory.path() / "own", other = directory.path() / "other";
    EngineRun first = run_of(Tiers::kDisk, num_ranks, policy, ScheduleOrder::kReuse, own, numerics);
    run_engine(kModel, jobs, first);
    EngineRun foreign =
        run_of(Tiers::kDisk, num_ranks == 4 ? 1 : 2 * num_ranks, policy, ScheduleOrder::kInput, other, numerics);
    run_engine(kModel, jobs, foreign);
    for (const ScheduleOrder order : {ScheduleOrder::kInput, ScheduleOrder::kReuse}) {
      for (const Tiers tiers : kAllTiers) {
        SCOPED_TRACE(fmt::format("{} ranks, {}, order {}, tiers {}", num_ranks, policy, static_cast<int>(order),
                                 static_cast<int>(tiers)));
        const std::filesystem::path store = tiers == Tiers::kDisk
                                                ? directory.path() / fmt::format("{}", static_cast<int>(order))
                                            : tiers == Tiers::kWarm ? own
                                                                    : other;
        EngineRun run = run_of(tiers, num_ranks, policy, order, store, numerics);
        run_engine(kModel, jobs, run);
        expect_same(run.outcomes, expected);
        totals[tiers].add(run);
        EXPECT_EQ(run.stats.invalidated_pages, 0);
      }
    }
  }
  EXPECT_GT(totals[Tiers::kDevice].dropped, 0);
  EXPECT_GT(totals[Tiers::kDevice].preempted, 0);
  EXPECT_GT(totals[Tiers::kHost].demoted, 0);
  EXPECT_GT(totals[Tiers::kHost].promoted, 0);
  EXPECT_GT(totals[Tiers::kHost].dropped, 0);
  EXPECT_GT(totals[Tiers::kDisk].stored, 0);
  EXPECT_GT(totals[Tiers::kDisk].fetched, 0);
  for (const Tiers warm : {Tiers::kWarm, Tiers::kWarmByOtherRanks}) {
    EXPECT_GT(totals[warm].found, 0);
    EXPECT_GT(totals[warm].fetched, 0);
    EXPECT_GT(totals[warm].promoted, 0);
  }
}

std::string name_of_case(const testing::TestParamInfo<Case>& info) {
  const Numerics& numerics = info.param.numerics;
  return std::string(info.param.policy) +
         (numerics.format == KvFormat::kFull ? "" : "_" + std::string(name_of(numerics.format))) +
         (numerics.is_sparse ? "_sparse" : "");
}

INSTANTIATE_TEST_SUITE_P(Policies, EngineTiers,
                         testing::Values(Case{"lru", {}}, Case{"lfu", {}}, Case{"fifo", {}}, Case{"adaptive", {}},
                                         Case{"compressed", {}}),
                         name_of_case);
INSTANTIATE_TEST_SUITE_P(Formats, EngineTiers,
                         testing::Values(Case{"adaptive", {KvFormat::kKv8}}, Case{"lru", {KvFormat::kKv4}},
                                         Case{"adaptive", {KvFormat::kKv4}}, Case{"adaptive", {KvFormat::kK8v4}},
                                         Case{"adaptive", {KvFormat::kFull, true}},
                                         Case{"adaptive", {KvFormat::kKv4, true}}),
                         name_of_case);

// Records of two blocks and more, which the golden models do not have.
TEST(EnginePacking, PackedPagesGiveTheSameTokensToJobsOfOtherRanksAndSettings) {
  const std::filesystem::path model = std::filesystem::path(LOCKSTEP_SOURCE_DIR) / "examples/models/recall";
  const std::vector<EngineJob> jobs = shared_prefix_jobs();
  EngineRun alone;
  alone.config = {.max_sequence = 128, .max_step_tokens = 256, .max_sequences = 1, .page_tokens = 16, .num_slots = 32};
  alone.config.share_prefixes = false;
  run_engine(model, jobs, alone);
  const TemporaryDirectory directory;
  struct Job {
    int32_t num_ranks, packing_level;
  };
  for (const Job job : {Job{2, 1}, Job{1, 0}, Job{2, 0}, Job{1, 3}}) {
    SCOPED_TRACE(fmt::format("{} ranks, level {}", job.num_ranks, job.packing_level));
    EngineRun run = run_of(Tiers::kDisk, job.num_ranks, "lru", ScheduleOrder::kInput, directory.path());
    run.config.page_tokens = 16;
    run.config.num_slots = 13;
    run.config.tiers.disk_packing_level = job.packing_level;
    run_engine(model, jobs, run);
    expect_same(run.outcomes, alone.outcomes);
    EXPECT_EQ(run.stats.invalidated_pages, 0);
    const bool is_first = job.num_ranks == 2 && job.packing_level == 1;
    EXPECT_EQ(run.tiers.stored.empty(), is_first);
    EXPECT_GT(run.stats.fetched_pages, 0);
    EXPECT_LT(run.disk.read_stored, run.disk.read);
    if (is_first) {
      EXPECT_LT(run.disk.written_stored, run.disk.written);
    }
  }
}

// What would be equal anyway proves nothing.
TEST(EngineFormats, EachGivesScoresOfItsOwn) {
  std::vector<std::vector<EngineOutcome>> all;
  for (const Numerics& numerics : {Numerics{}, Numerics{KvFormat::kKv8}, Numerics{KvFormat::kK8v4},
                                   Numerics{KvFormat::kKv4}, Numerics{KvFormat::kFull, true}}) {
    all.push_back(expected_outcomes(numerics));
  }
  const auto late_scores = [](const std::vector<EngineOutcome>& outcomes) {
    std::vector<double> scores;
    for (const EngineOutcome& one : outcomes) {
      if (!one.scores.empty()) scores.push_back(one.scores[12].logprob);
    }
    return scores;
  };
  for (size_t i = 1; i < all.size(); ++i) {
    for (size_t j = 0; j < i; ++j) EXPECT_NE(late_scores(all[i]), late_scores(all[j])) << i << " and " << j;
  }
}

// Which layers keep 8 bits decides answers: it hangs on the model alone.
TEST(EngineFormats, CalibrationDoesNotDependOnSizesAndRanks) {
  std::vector<std::vector<double>> all;
  for (const auto& [max_step, max_sequence, num_ranks] :
       std::vector<std::array<int32_t, 3>>{{512, 256, 1}, {16, 128, 1}, {48, 64, 2}, {100, 128, 4}}) {
    EngineRun run{.num_ranks = num_ranks};
    Numerics{KvFormat::kKv4}.set(run.config);
    run.config.max_sequence = max_sequence;
    run.config.max_step_tokens = max_step;
    EngineJob job;
    job.prompt = {TokenId(1)};
    run_engine(kModel, {job}, run);
    all.push_back(run.key_decibels);
  }
  EXPECT_FALSE(all[0].empty());
  for (const auto& one : all) EXPECT_EQ(one, all[0]);
}

// Whatever breaks on one rank, all ranks compute the page again.
TEST(EngineTierFaults, EveryKindOfFaultOnOneRankIsOutlived) {
  const std::vector<EngineJob> jobs = shared_prefix_jobs();
  const std::vector<EngineOutcome> expected = expected_outcomes();
  for (const char* faults :
       {"host_copy:rank=1:every=5", "bit_flip:rank=1:every=7", "disk_read:rank=0:every=3", "disk_write:rank=1:every=4",
        "enospc:rank=1:nth=3", "vanish:rank=1:every=3", "delay:ms=2:probability=0.2:seed=3", "timeout:rank=1:nth=2",
        "bit_flip:rank=0:every=3,disk_read:rank=1:every=5,delay:ms=1:probability=0.3:seed=5"}) {
    SCOPED_TRACE(faults);
    const TemporaryDirectory directory;
    EngineRun run = run_of(Tiers::kDisk, 2, "lru", ScheduleOrder::kInput, directory.path());
    run.config.tiers.timeout = std::chrono::milliseconds(400);
    run.faults = faults;
    run_engine(kModel, jobs, run);
    expect_same(run.outcomes, expected);
    int64_t failed = 0;
    for (const int64_t one : run.stats.failed_transfers) failed += one;
    if (std::string(faults).starts_with("delay")) {
      EXPECT_EQ(failed, 0);
    } else {
      EXPECT_GT(failed, 0);
    }
  }
}

TEST(EngineTierFaults, ATierThatKeepsFailingIsSwitchedOff) {
  const TemporaryDirectory directory;
  EngineRun run = run_of(Tiers::kDisk, 2, "lru", ScheduleOrder::kInput, directory.path());
  run.faults = "disk_write:rank=1";
  run_engine(kModel, shared_prefix_jobs(), run);
  expect_same(run.outcomes, expected_outcomes());
  EXPECT_TRUE(run.stats.off[static_cast<size_t>(Tier::kDisk)]);
  EXPECT_FALSE(run.stats.off[static_cast<size_t>(Tier::kHost)]);
}

TEST(EngineTierFaults, ARankThatPartsFromTheOthersStopsTheJob) {
  EngineRun run = run_of(Tiers::kHost, 2, "lru", ScheduleOrder::kInput, {});
  run.faults = "diverge:rank=1:step=5";
  try {
    run_engine(kModel, shared_prefix_jobs(), run);
    ADD_FAILURE() << "nobody noticed";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("the ranks' caches have parted"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace lockstep
