// Class D1: pages of the host that shrink. Answers may change with what was pushed out; the same job gives them again,
// on any number of ranks, however late transfers are.
#include "tests/launcher/engine_run.h"
#include "tests/support/temporary_directory.h"

#include <gtest/gtest.h>
#include <set>
#include <string>

namespace lockstep {
namespace {

using testing_support::EngineJob;
using testing_support::EngineOutcome;
using testing_support::EngineRun;
using testing_support::run_engine;
using testing_support::TemporaryDirectory;

const std::filesystem::path kModel = std::filesystem::path(LOCKSTEP_SOURCE_DIR) / "tests/goldens/models/llama_llama3";

// Eight prefixes of four pages in turn, over and over.
std::vector<EngineJob> jobs() {
  std::vector<EngineJob> jobs;
  for (int32_t i = 0; i < 32; ++i) {
    EngineJob job;
    const int32_t prefix = i % 8;
    for (int32_t t = 0; t < 64; ++t) job.prompt.emplace_back(1 + (prefix * 37 + t * 11) % 100);
    for (int32_t t = 0; t < 5 + i % 4; ++t) job.prompt.emplace_back(1 + (i * 13 + t * 7) % 100);
    job.num_new_tokens = 12;
    job.sampling.logprobs = 0;
    jobs.push_back(std::move(job));
  }
  return jobs;
}

EngineRun run_of(KvFormat format, KvFormat cold, int32_t num_ranks, const std::string& faults = "") {
  EngineRun run{.num_ranks = num_ranks};
  run.config = {.max_sequence = 128, .max_step_tokens = 32, .max_sequences = 2, .page_tokens = 16, .num_slots = 15};
  run.config.format = format;
  run.config.policy = "compressed";
  run.config.tiers.host_slots = 10;
  run.config.tiers.cold_slots = 16;
  run.config.tiers.cold_format = cold;
  run.faults = faults;
  return run;
}

void expect_equal(const EngineRun& found, const EngineRun& expected) {
  ASSERT_EQ(found.outcomes.size(), expected.outcomes.size());
  for (size_t i = 0; i < found.outcomes.size(); ++i) {
    EXPECT_EQ(found.outcomes[i].tokens, expected.outcomes[i].tokens) << i;
    ASSERT_EQ(found.outcomes[i].scores.size(), expected.outcomes[i].scores.size()) << i;
    for (size_t t = 0; t < found.outcomes[i].scores.size(); ++t) {
      EXPECT_EQ(found.outcomes[i].scores[t].logprob, expected.outcomes[i].scores[t].logprob) << i << " " << t;
    }
  }
  EXPECT_EQ(found.digests.front(), expected.digests.front());
}

// Whether any score differs.
bool differ(const EngineRun& a, const EngineRun& b) {
  for (size_t i = 0; i < a.outcomes.size(); ++i) {
    for (size_t t = 0; t < a.outcomes[i].scores.size(); ++t) {
      if (a.outcomes[i].tokens != b.outcomes[i].tokens ||
          a.outcomes[i].scores[t].logprob != b.outcomes[i].scores[t].logprob) {
        return true;
      }
    }
  }
  return false;
}

struct Formats {
  KvFormat exact, cold;
};

class EngineCold : public testing::TestWithParam<Formats> {};

TEST_P(EngineCold, TheSameJobGivesTheSameAnswersOnAnyRanks) {
  const auto [format, cold] = GetParam();
  std::optional<EngineRun> first;
  for (const int32_t num_ranks : {1, 2, 4}) {
    // Twice, the second time with copies that are late by chance.
    for (const char* const faults : {"", "delay:ms=3:probability=0.5:seed=9"}) {
      SCOPED_TRACE(fmt::format("{} ranks {}", num_ranks, faults));
      EngineRun run = run_of(format, cold, num_ranks, faults);
      run_engine(kModel, jobs(), run);
      EXPECT_GT(run.stats.transcoded_pages, 0);
      EXPECT_GT(run.stats.promoted_cold_pages, 0);
      EXPECT_EQ(std::set<Hash128>(run.digests.begin(), run.digests.end()).size(), 1U);
      if (first) expect_equal(run, *first);
      if (!first) first = run;
    }
  }
  EngineRun exact = run_of(format, KvFormat::kFull, 1);
  exact.config.tiers.cold_slots = 0;
  exact.config.tiers.host_slots = 26;
  run_engine(kModel, jobs(), exact);
  EXPECT_TRUE(differ(exact, *first)) << "nothing was lost in pages of fewer bits: they were not read";
}

INSTANTIATE_TEST_SUITE_P(
    Formats, EngineCold,
    testing::Values(Formats{KvFormat::kFull, KvFormat::kKv8}, Formats{KvFormat::kFull, KvFormat::kKv4},
                    Formats{KvFormat::kKv8, KvFormat::kKv4}, Formats{KvFormat::kK8v4, KvFormat::kKv4}),
    [](const auto& param) { return fmt::format("{}_{}", name_of(param.param.exact), name_of(param.param.cold)); });

// With a disk, plans wait for what was begun: late reads and writes change nothing.
TEST(EngineColdDisk, LateTransfersChangeNothing) {
  std::optional<EngineRun> first;
  for (const int32_t num_ranks : {1, 2}) {
    for (const char* const faults : {"", "delay:ms=4:probability=0.5:seed=3", "delay:rank=1:ms=6:every=2"}) {
      SCOPED_TRACE(fmt::format("{} ranks {}", num_ranks, faults));
      const TemporaryDirectory directory;
      EngineRun run = run_of(KvFormat::kFull, KvFormat::kKv4, num_ranks, faults);
      run.config.tiers.host_slots = 6;
      run.config.tiers.cold_slots = 6;
      run.config.tiers.disk_dir = directory.path() / "store";
      run.config.tiers.disk_bytes = int64_t{1} << 30;
      run_engine(kModel, jobs(), run);
      EXPECT_GT(run.stats.stored_pages, 0);
      EXPECT_GT(run.stats.fetched_pages, 0);
      EXPECT_GT(run.stats.transcoded_pages, 0);
      if (first) expect_equal(run, *first);
      if (!first) first = run;
    }
  }
}

// What was computed on shrunk pages is never found by a job without them, nor by one with others.
TEST(EngineColdDisk, EverySettingHasItsOwnPages) {
  const TemporaryDirectory directory;
  const auto with_disk = [&](EngineRun run) {
    run.config.tiers.disk_dir = directory.path() / "store";
    run.config.tiers.disk_bytes = int64_t{1} << 30;
    run_engine(kModel, jobs(), run);
    return run.tiers.stored.size();
  };
  EngineRun exact = run_of(KvFormat::kFull, KvFormat::kFull, 1);
  exact.config.tiers.cold_slots = 0;
  EXPECT_EQ(with_disk(run_of(KvFormat::kFull, KvFormat::kKv4, 1)), 0U);
  EXPECT_GT(with_disk(run_of(KvFormat::kFull, KvFormat::kKv4, 1)), 0U);
  EXPECT_EQ(with_disk(run_of(KvFormat::kFull, KvFormat::kKv8, 1)), 0U);
  EngineRun ratio = run_of(KvFormat::kFull, KvFormat::kKv4, 1);
  ratio.config.tiers.compression_ratio = 0.5;
  EXPECT_EQ(with_disk(ratio), 0U);
  EXPECT_EQ(with_disk(exact), 0U);
}

}  // namespace
}  // namespace lockstep
