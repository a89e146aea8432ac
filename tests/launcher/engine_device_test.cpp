// The engine on a CUDA device: the same tokens and log-probabilities however its steps are cut, recorded, planned or
// spread over ranks, and close to the CPU's.
#include "tests/launcher/engine_run.h"
#include "tests/support/temporary_directory.h"

#include <cmath>
#include <gtest/gtest.h>

namespace lockstep {
namespace {

using testing_support::EngineJob;
using testing_support::EngineOutcome;
using testing_support::EngineRun;
using testing_support::outcomes_of;
using testing_support::run_engine;

const std::filesystem::path kSource = LOCKSTEP_SOURCE_DIR;

// Greedy and drawn rows, rows for the host's threads, shared beginnings, arrivals in the middle, rows that end early.
std::vector<EngineJob> jobs() {
  std::vector<EngineJob> all;
  for (int32_t i = 0; i < 10; ++i) {
    EngineJob job;
    for (int32_t t = 0; t < 20 + 7 * i; ++t) job.prompt.emplace_back(1 + (t < 18 ? t * 5 : t * 3 + i) % 150);
    job.num_new_tokens = 3 + 5 * (i % 4);
    job.arrival_step = i / 3;
    if (i % 3 == 1) {
      job.sampling.temperature = 0.9;
      job.sampling.top_p = 0.95;
      job.sampling.seed = static_cast<uint64_t>(i);
    }
    if (i == 4) job.sampling.top_k = 12;
    if (i == 5) job.sampling.frequency_penalty = 0.5;
    if (i == 6) job.sampling.logprobs = 3;
    if (i == 2 || i == 8) job.sampling.prompt_logprobs = 2;
    all.push_back(job);
  }
  return all;
}

EngineRun on_device() {
  EngineRun run;
  run.device = Device::cuda(0);
  return run;
}

void expect_equal(const std::vector<EngineOutcome>& got, const std::vector<EngineOutcome>& expected,
                  const std::string& what) {
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].tokens, expected[i].tokens) << what << ", job " << i;
    EXPECT_EQ(got[i].scores, expected[i].scores) << what << ", job " << i;
    EXPECT_EQ(got[i].prompt_scores, expected[i].prompt_scores) << what << ", job " << i;
  }
}

class EngineOnDevice : public testing::TestWithParam<const char*> {
 protected:
  std::filesystem::path model() const { return kSource / GetParam(); }
};

TEST_P(EngineOnDevice, GraphsPlansBatchesAndChunksDoNotChangeBits) {
  EngineRun plain = on_device();
  run_engine(model(), jobs(), plain);
  EXPECT_EQ(plain.num_graphs, 0);
  struct Variant {
    bool graphs, ahead;
    int64_t batch;
  };
  for (const auto& [graphs, ahead, batch] :
       {Variant{false, false, 1}, {true, false, 16}, {false, true, 3}, {true, true, 3}, {true, true, 16}}) {
    EngineRun run = on_device();
    run.config.graphs = graphs;
    run.config.plan_ahead = ahead;
    run.config.max_sequences = batch;
    run.config.prefill_chunk = batch == 3 ? 32 : 0;
    run.config.share_prefixes = batch != 3;
    run_engine(model(), jobs(), run);
    expect_equal(run.outcomes, plain.outcomes, fmt::format("graphs {}, ahead {}, batch {}", graphs, ahead, batch));
    EXPECT_EQ(run.num_graphs > 0, graphs);
  }
}

TEST_P(EngineOnDevice, RanksDoNotChangeBits) {
  const std::vector<EngineOutcome> alone = outcomes_of(model(), jobs(), on_device());
  EngineRun run = on_device();
  run.num_ranks = 2;
  run.config.plan_ahead = true;
  expect_equal(outcomes_of(model(), jobs(), run), alone, "2 ranks");
}

// A pool so small that sequences are preempted, with plans that are ahead of their tokens.
TEST_P(EngineOnDevice, PreemptionDoesNotChangeBits) {
  EngineRun run = on_device();
  run.config.plan_ahead = run.config.graphs = true;
  run.config.page_tokens = 16;
  std::vector<EngineJob> longer = jobs();
  for (EngineJob& job : longer) job.num_new_tokens += 40;
  const std::vector<EngineOutcome> roomy = outcomes_of(model(), longer, run);
  run.config.num_slots = 12;
  run.config.max_sequence = 12 * 16;
  run_engine(model(), longer, run);
  EXPECT_GT(run.stats.preemptions, 0);
  expect_equal(run.outcomes, roomy, "12 slots");
}

// Pages on copy streams between device, pinned host memory and disk, under graphs and plans made ahead; then with
// copies that fail on one of two ranks.
TEST_P(EngineOnDevice, TiersDoNotChangeBits) {
  std::vector<EngineJob> longer = jobs();
  for (EngineJob& job : longer) job.num_new_tokens += 30;
  EngineRun roomy = on_device();
  run_engine(model(), longer, roomy);
  for (const char* faults : {"", "bit_flip:rank=1:every=3,host_copy:rank=0:every=4"}) {
    const testing_support::TemporaryDirectory directory;
    EngineRun run = on_device();
    run.faults = faults;
    run.num_ranks = run.faults.empty() ? 1 : 2;
    run.config.plan_ahead = true;
    run.config.graphs = run.num_ranks == 1;  // staged sums cannot be recorded
    run.config.policy = "lru";
    run.config.num_slots = 12;
    run.config.max_sequence = 12 * 16;
    run.config.tiers.host_slots = 6;
    run.config.tiers.disk_dir = directory.path();
    run.config.tiers.disk_bytes = int64_t{1} << 28;
    run_engine(model(), longer, run);
    expect_equal(run.outcomes, roomy.outcomes, faults);
    EXPECT_GT(run.stats.demoted_pages, 0);
    EXPECT_GT(run.stats.promoted_pages, 0);
    EXPECT_GT(run.stats.stored_pages, 0);
    EXPECT_GT(run.stats.preemptions, 0);
    int64_t failed = 0;
    for (const int64_t one : run.stats.failed_transfers) failed += one;
    EXPECT_EQ(failed > 0, faults[0] != '\0');
  }
}

// Class D1 with staging pages, graphs and plans made ahead: however late copies are.
TEST_P(EngineOnDevice, ColdPagesGiveTheSameAgain) {
  std::vector<EngineJob> twice = jobs();
  for (EngineJob job : jobs()) twice.push_back(std::move(job));
  std::vector<EngineRun> runs;
  for (const char* faults : {"", "delay:ms=2:probability=0.5:seed=4"}) {
    EngineRun& run = runs.emplace_back(on_device());
    run.faults = faults;
    run.config.plan_ahead = true;
    run.config.graphs = true;
    run.config.policy = "compressed";
    run.config.num_slots = 12;
    run.config.max_sequence = 12 * 16;
    run.config.tiers.host_slots = 4;
    run.config.tiers.cold_slots = 12;
    run.config.tiers.cold_format = KvFormat::kKv8;
    run_engine(model(), twice, run);
    EXPECT_GT(run.stats.transcoded_pages, 0);
    EXPECT_GT(run.stats.promoted_cold_pages, 0);
  }
  expect_equal(runs[1].outcomes, runs[0].outcomes, "late copies");
  EXPECT_EQ(runs[1].digests, runs[0].digests);
}

TEST_P(EngineOnDevice, IsCloseToTheCpu) {
  std::vector<EngineJob> scored = jobs();
  for (EngineJob& job : scored) {
    job.sampling = {};
    job.sampling.prompt_logprobs = 0;
  }
  const std::vector<EngineOutcome> cpu = outcomes_of(model(), scored);
  const std::vector<EngineOutcome> device = outcomes_of(model(), scored, on_device());
  for (size_t i = 0; i < scored.size(); ++i) {
    ASSERT_EQ(cpu[i].prompt_scores.size(), device[i].prompt_scores.size());
    for (size_t t = 0; t < cpu[i].prompt_scores.size(); ++t) {
      const float expected = cpu[i].prompt_scores[t].logprob;  // tokens that the model finds unlikely vary the most
      ASSERT_NEAR(device[i].prompt_scores[t].logprob, expected, 0.02 - 0.01 * expected) << i << " " << t;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, EngineOnDevice,
                         testing::Values("tests/goldens/models/qwen3", "examples/models/recall"),
                         [](const auto& p) { return std::filesystem::path(p.param).filename().string(); });

// Graphs are recorded for a context that is rounded up; lists are as long as the longest sequence needs, which is less.
TEST(EngineSparse, GraphsOfTheLongestContextDoNotChangeBits) {
  const std::filesystem::path model = kSource / "examples/models/recall";
  std::vector<EngineJob> two(2);
  for (int32_t i = 0; i < 2; ++i) {
    for (int32_t t = 0; t < 504 + i; ++t) two[static_cast<size_t>(i)].prompt.emplace_back(1 + (t * 7 + i * 31) % 800);
    two[static_cast<size_t>(i)].num_new_tokens = 16;
  }
  EngineRun plain = on_device();
  plain.config.max_sequence = 700;  // 44 pages; rounded up 1,024 tokens, 64 pages
  plain.config.num_slots = 80;
  plain.config.max_sequences = 2;
  plain.config.sparse = SparseLayers(
      {.ratio = 0.3, .dense_below = 0, .dense_layers = 1, .sink_pages = 1, .recent_pages = 1, .least_pages = 1},
      LayerRatios::parse("layers", "0:0.3/1:0.4/2:1"));
  EngineRun recorded = plain, offloaded = plain;
  run_engine(model, two, plain);
  recorded.config.graphs = recorded.config.plan_ahead = true;
  run_engine(model, two, recorded);
  expect_equal(recorded.outcomes, plain.outcomes, "graphs");
  EXPECT_GE(recorded.num_graphs, 2) << "of up to 512 positions, and of up to 700";

  offloaded.config.graphs = offloaded.config.plan_ahead = true;
  offloaded.config.num_slots = 46;
  offloaded.config.tiers.host_slots = 60;
  offloaded.config.offloads = true;
  offloaded.config.hot_pages = 16;
  run_engine(model, two, offloaded);
  expect_equal(offloaded.outcomes, plain.outcomes, "graphs, pages on the host");
  EXPECT_GT(offloaded.stats.offloaded_pages, 0);
  EXPECT_GE(offloaded.num_graphs, 2);
  EXPECT_GT(offloaded.hot.fetched, 0);
  EXPECT_GT(offloaded.hot.hits, offloaded.hot.fetched);
}

// Plans made ahead on CPU ranks, where nothing is won by it, give the same too.
TEST(EngineAhead, GivesTheSameOnTheCpu) {
  const std::filesystem::path model = kSource / "tests/goldens/models/llama_llama3";
  EngineRun run;
  const std::vector<EngineOutcome> plain = outcomes_of(model, jobs(), run);
  for (const int32_t ranks : {1, 2, 4}) {
    run.num_ranks = ranks;
    run.config.plan_ahead = true;
    expect_equal(outcomes_of(model, jobs(), run), plain, fmt::format("{} ranks", ranks));
  }
}

}  // namespace
}  // namespace lockstep
