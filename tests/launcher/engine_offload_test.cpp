// Pages of running sequences on the host alone: a device far too small for all contexts gives the same tokens.
#include "core/error.h"
#include "tests/launcher/engine_run.h"
#include "tests/support/temporary_directory.h"

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
constexpr int64_t kSequences = 6;

// Six long sequences at a time; two and two share most of their prompts.
std::vector<EngineJob> jobs_of(int64_t page_tokens, int32_t num_new_tokens) {
  std::vector<EngineJob> jobs;
  for (int32_t i = 0; i < 2 * kSequences; ++i) {
    EngineJob job;
    for (int32_t t = 0; t < 3 * page_tokens; ++t) job.prompt.emplace_back(1 + (i / 2 * 37 + t * 11) % 100);
    for (int32_t t = 0; t < 5 + i % 4; ++t) job.prompt.emplace_back(1 + (i * 13 + t * 7) % 100);
    job.num_new_tokens = num_new_tokens - i % 5;
    if (i % 3 == 0) {
      job.sampling.temperature = 0.9;
      job.sampling.seed = static_cast<uint64_t>(i);
    }
    if (i % 4 == 1) job.sampling.logprobs = 0;
    jobs.push_back(std::move(job));
  }
  return jobs;
}

struct Case {
  KvFormat format = KvFormat::kFull;
  bool plans_ahead = false;

  int64_t page_tokens() const { return format == KvFormat::kFull ? 8 : 16; }
  int64_t pages_of(int64_t tokens) const { return tokens / page_tokens(); }
  std::vector<EngineJob> jobs() const { return jobs_of(page_tokens(), static_cast<int32_t>(10 * page_tokens())); }
  /// Everything fits.
  EngineRun large_run(int32_t num_ranks) const {
    EngineRun run{.num_ranks = num_ranks};
    run.config = {.max_sequence = 256,
                  .max_step_tokens = 64,
                  .max_sequences = kSequences,
                  .page_tokens = page_tokens(),
                  .num_slots = 200,
                  .format = format,
                  .sparse = SparseRule{.ratio = 0.3,
                                       .dense_below = 0,
                                       .dense_layers = 0,
                                       .sink_pages = 1,
                                       .recent_pages = 1,
                                       .least_pages = 1},
                  .plan_ahead = plans_ahead};
    return run;
  }
  /// The device holds two of six contexts.
  EngineRun small_run(int32_t num_ranks, bool offloads = true) const {
    EngineRun run = large_run(num_ranks);
    run.config.num_slots = 36;
    run.config.tiers.host_slots = 100;
    run.config.offloads = offloads;
    return run;
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
  }
}

std::string name_of_case(const testing::TestParamInfo<Case>& info) {
  return std::string(name_of(info.param.format)) + (info.param.plans_ahead ? "_ahead" : "");
}

class EngineOffload : public testing::TestWithParam<Case> {};

TEST_P(EngineOffload, ASmallDeviceGivesTheSameTokensAndPreemptsNobody) {
  const Case& one = GetParam();
  for (const int32_t num_ranks : {1, 2, 4}) {
    SCOPED_TRACE(num_ranks);
    EngineRun large = one.large_run(num_ranks), small = one.small_run(num_ranks);
    run_engine(kModel, one.jobs(), large);
    run_engine(kModel, one.jobs(), small);
    expect_same(small.outcomes, large.outcomes);
    EXPECT_EQ(large.stats.offloaded_pages, 0);
    EXPECT_GT(small.stats.offloaded_pages, 20);
    EXPECT_GT(small.stats.in_place_page_reads, small.stats.offloaded_pages);
    EXPECT_GT(small.stats.peak_in_place_pages, 20);
    EXPECT_EQ(small.stats.in_place_pages, 0);
    EXPECT_EQ(small.stats.preemptions, 0);
    EXPECT_LE(small.stats.peak_used_slots, 36);
    EXPECT_LT(small.stats.steps, large.stats.steps * 5 / 4);  // as many run at a time

    EngineRun without = one.small_run(num_ranks, /*offloads=*/false);
    run_engine(kModel, one.jobs(), without);
    expect_same(without.outcomes, large.outcomes);
    EXPECT_GT(without.stats.preemptions, 0);
    EXPECT_EQ(without.stats.offloaded_pages, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, EngineOffload,
                         testing::Values(Case{}, Case{KvFormat::kFull, true}, Case{KvFormat::kKv8},
                                         Case{KvFormat::kKv4}, Case{KvFormat::kKv4, true}),
                         name_of_case);

// A host that holds little: some are preempted, and pages go to the disk and come from there.
TEST(EngineOffloadTiers, LittleHostMemoryAndADiskGiveTheSameTokens) {
  const Case one;
  EngineRun large = one.large_run(2);
  run_engine(kModel, one.jobs(), large);
  int64_t offloaded = 0, fetched = 0;
  for (const int64_t host_slots : {1, 2, 9, 30}) {
    SCOPED_TRACE(host_slots);
    const TemporaryDirectory directory;
    EngineRun small = one.small_run(2);
    small.config.tiers.host_slots = host_slots;
    small.config.tiers.disk_dir = directory.path();
    small.config.tiers.disk_bytes = int64_t{1} << 30;
    run_engine(kModel, one.jobs(), small);
    expect_same(small.outcomes, large.outcomes);
    offloaded += small.stats.offloaded_pages;
    fetched += small.stats.fetched_pages;
  }
  EXPECT_GT(offloaded, 0);
  EXPECT_GT(fetched, 0);
}

TEST(EngineOffloadFaults, CopiesThatFailOnOneRankAreOutlived) {
  for (const Case& one : {Case{}, Case{KvFormat::kKv4, true}}) {
    EngineRun large = one.large_run(2);
    run_engine(kModel, one.jobs(), large);
    for (const char* faults : {"host_copy:rank=1:every=5", "bit_flip:rank=1:every=7", "timeout:rank=1:nth=9",
                               "host_copy:rank=0", "delay:ms=2:probability=0.2:seed=3"}) {
      SCOPED_TRACE(faults);
      EngineRun small = one.small_run(2);
      small.config.tiers.timeout = std::chrono::milliseconds(400);
      small.faults = faults;
      run_engine(kModel, one.jobs(), small);
      expect_same(small.outcomes, large.outcomes);
      EXPECT_GT(small.stats.offloaded_pages, 0);
      if (std::string(faults).starts_with("delay")) {
        EXPECT_EQ(small.stats.invalidated_pages, 0);
      } else {
        EXPECT_GT(small.stats.void_rows, 0);
        EXPECT_GT(small.stats.failed_transfers[static_cast<size_t>(TransferChannel::kToHost)], 0);
      }
      if (std::string(faults) == "host_copy:rank=0") {
        EXPECT_TRUE(small.stats.off[static_cast<size_t>(Tier::kHost)]);
      }
    }
  }
}

// A page that all share fails when they have begun to generate: their prompts' ends and the tokens behind them come
// again in few steps, and lists are made for no more rows than there is room for.
TEST(EngineOffloadFaults, ManyThatResumeTogetherFindRoomForTheirLists) {
  constexpr int64_t kShared = 20, kMany = 12;
  std::vector<EngineJob> jobs(kMany);
  for (int32_t i = 0; i < kMany; ++i) {
    EngineJob& job = jobs[static_cast<size_t>(i)];
    for (int32_t t = 0; t < kShared * 8; ++t) job.prompt.emplace_back(1 + t * 11 % 100);
    for (int32_t t = 0; t < 8; ++t) job.prompt.emplace_back(1 + (i * 13 + t * 7) % 100);
    job.num_new_tokens = 4;
  }
  EngineRun large = Case{}.large_run(1);
  large.config.max_sequences = kMany;
  large.config.max_step_tokens = 256;
  EngineRun small = large;
  run_engine(kModel, jobs, large);
  small.config.num_slots = kShared + kMany + 2;
  small.config.tiers.host_slots = 100;
  small.config.offloads = true;
  small.faults = "host_copy:rank=0:nth=1";
  run_engine(kModel, jobs, small);
  expect_same(small.outcomes, large.outcomes);
  EXPECT_EQ(small.stats.invalidated_pages, 1);
  EXPECT_GE(small.stats.void_rows, kMany - 1);
}

}  // namespace
}  // namespace lockstep
