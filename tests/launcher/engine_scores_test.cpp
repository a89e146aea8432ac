// Log-probabilities of prompt and generated tokens through the whole engine: right, and the same bits whatever happens
// around them.
#include "dist/comm/local/local_group.h"
#include "kernels/token_score.h"
#include "tests/launcher/engine_run.h"
#include "tests/support/model_runner.h"
#include "tests/support/shared_data.h"

#include <cmath>
#include <fstream>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace lockstep {
namespace {

using testing_support::EngineJob;
using testing_support::EngineOutcome;
using testing_support::EngineRun;
using testing_support::ModelRunner;
using testing_support::outcomes_of;
using testing_support::run_engine;

const std::filesystem::path kModel = std::filesystem::path(LOCKSTEP_SOURCE_DIR) / "tests/goldens/models/llama_llama3";
constexpr int32_t kVocab = 157;

std::vector<TokenId> some_tokens(int64_t count, int32_t seed) {
  std::vector<TokenId> tokens;
  for (int64_t i = 0; i < count; ++i) tokens.emplace_back((seed * 31 + static_cast<int32_t>(i * i) * 7 + 11) % kVocab);
  return tokens;
}

EngineJob scored_job(std::vector<TokenId> prompt, int64_t num_new_tokens = 1) {
  EngineJob job{std::move(prompt), num_new_tokens, {}, 0};
  job.sampling.prompt_logprobs = 3;
  job.sampling.logprobs = 2;
  return job;
}

nlohmann::json read_json(const std::filesystem::path& path) {
  std::ifstream file(path);
  return nlohmann::json::parse(file);
}

std::vector<TokenId> token_ids(const nlohmann::json& numbers) {
  std::vector<TokenId> tokens;
  for (const auto& number : numbers) tokens.emplace_back(number.get<int32_t>());
  return tokens;
}

/// Scores of tokens[1], tokens[2], …, each from the logits of a decoder that was given one token after the other.
std::vector<TokenScore> teacher_forced(const std::vector<TokenId>& tokens, int32_t num_top) {
  std::vector<TokenScore> scores;
  run_local_ranks(1, [&](Communicator& alone) {
    ModelRunner runner(kModel, alone, detect_cpu_isa());
    for (size_t i = 0; i + 1 < tokens.size(); ++i) {
      scores.push_back(score_token(runner.append({tokens[i]}, 1), tokens[i + 1], num_top));
    }
  });
  return scores;
}

TEST(EngineScores, PromptScoresAreThoseOfTeacherForcing) {
  const std::vector<TokenId> prompt = some_tokens(200, 1);  // more than one slice of rows
  EXPECT_EQ(outcomes_of(kModel, {scored_job(prompt)})[0].prompt_scores, teacher_forced(prompt, 3));
}

TEST(EngineScores, EqualTransformersInFloat64) {
  const nlohmann::json golden = read_json(kModel / "golden.json");
  const std::vector<TokenId> prompt = token_ids(golden["prompt"]);
  const EngineOutcome outcome = outcomes_of(kModel, {scored_job(prompt, 24)})[0];
  EXPECT_EQ(outcome.tokens, token_ids(golden["greedy"]));
  ASSERT_EQ(outcome.prompt_scores.size() + 1, prompt.size());
  for (size_t i = 0; i + 1 < prompt.size(); ++i) {
    const auto logits = golden["logits"][i].get<std::vector<double>>();
    double sum = 0.0;
    int32_t rank = 1;
    const double own = logits[static_cast<size_t>(prompt[i + 1].value())];
    for (const double logit : logits) sum += std::exp(logit - own), rank += static_cast<int32_t>(logit > own);
    EXPECT_NEAR(outcome.prompt_scores[i].logprob, -std::log(sum), 1e-4) << i;
    EXPECT_EQ(outcome.prompt_scores[i].rank, rank) << i;
    EXPECT_EQ(outcome.prompt_scores[i].token, prompt[i + 1]);
  }
  for (size_t i = 0; i < outcome.tokens.size(); ++i) {
    EXPECT_EQ(outcome.scores[i].token, outcome.tokens[i]);
    EXPECT_EQ(outcome.scores[i].rank, 1);  // greedy
    ASSERT_EQ(outcome.scores[i].top.size(), 2U);
    EXPECT_EQ(outcome.scores[i].top[0].token, outcome.tokens[i]);
    EXPECT_EQ(outcome.scores[i].top[0].logprob, outcome.scores[i].logprob);
  }
}

// What was generated, given as a prompt, has the scores that it was generated with.
TEST(EngineScores, GeneratedTokensScoreTheSameAsAPrompt) {
  EngineJob job = scored_job(some_tokens(20, 2), 40);
  job.sampling.prompt_logprobs = 2;
  job.sampling.temperature = 1.3;
  job.sampling.presence_penalty = 0.5;  // changes what is drawn, not what the model thinks of it
  const EngineOutcome first = outcomes_of(kModel, {job})[0];
  EngineJob again = job;
  again.prompt.insert(again.prompt.end(), first.tokens.begin(), first.tokens.end());
  const EngineOutcome second = outcomes_of(kModel, {again})[0];
  std::vector<TokenScore> expected = first.prompt_scores;
  expected.insert(expected.end(), first.scores.begin(), first.scores.end());
  EXPECT_EQ(second.prompt_scores, expected);
}

/// Jobs of all kinds beside each other, among them equal prompts and prompts with a common beginning.
std::vector<EngineJob> mixed_jobs() {
  std::vector<EngineJob> jobs;
  for (int32_t i = 0; i < 8; ++i) {
    EngineJob job{some_tokens(20 + 13 * (i / 2), 3 + i / 4), 30 + i, {}, i / 3};
    if (i % 2 == 0) job.sampling.prompt_logprobs = i / 2;
    if (i % 3 == 0) job.sampling.logprobs = i;
    if (i >= 4) job.sampling.temperature = 0.9;
    if (i == 5) job.sampling.top_k = 20, job.sampling.repetition_penalty = 1.2;
    if (i == 6) job.sampling.top_p = 0.9, job.sampling.frequency_penalty = 0.4;
    if (i == 7) job.sampling.min_p = 0.01, job.sampling.logit_bias = {{TokenId(9), 3.0F}};
    if (i == 3) job.sampling.min_tokens = 8, job.sampling.end_tokens = {TokenId(1), TokenId(2)};
    job.sampling.seed = static_cast<uint64_t>(i);
    jobs.push_back(std::move(job));
  }
  return jobs;
}

void expect_same(const std::vector<EngineOutcome>& seen, const std::vector<EngineOutcome>& expected) {
  ASSERT_EQ(seen.size(), expected.size());
  for (size_t i = 0; i < seen.size(); ++i) {
    EXPECT_EQ(seen[i].tokens, expected[i].tokens) << "job " << i;
    EXPECT_EQ(seen[i].scores, expected[i].scores) << "job " << i;
    EXPECT_EQ(seen[i].prompt_scores, expected[i].prompt_scores) << "job " << i;
  }
}

class MixedJobs : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    alone_ = new std::vector<EngineOutcome>;
    for (const EngineJob& job : mixed_jobs()) alone_->push_back(outcomes_of(kModel, {job})[0]);
  }
  static void TearDownTestSuite() { delete alone_; }
  /// Each job by itself in an engine of its own.
  static std::vector<EngineOutcome>* alone_;
};
std::vector<EngineOutcome>* MixedJobs::alone_ = nullptr;

TEST_F(MixedJobs, NeighboursChangeNothing) { expect_same(outcomes_of(kModel, mixed_jobs()), *alone_); }

TEST_F(MixedJobs, RanksAndThreadsChangeNothing) {
  for (const int32_t ranks : {2, 4}) {
    SCOPED_TRACE(ranks);
    EngineRun run{.num_ranks = ranks, .num_threads = 4 / ranks};
    run_engine(kModel, mixed_jobs(), run);
    expect_same(run.outcomes, *alone_);
    for (size_t rank = 0; rank < run.progress.size(); ++rank) {
      EXPECT_EQ(run.progress[rank], static_cast<uint64_t>(2 * run.stats.steps)) << "rank " << rank;
      EXPECT_EQ(run.between_steps[rank], rank == 0 ? 0 : run.stats.steps) << "rank " << rank;
    }
  }
}

TEST_F(MixedJobs, ChunksAndBudgetsChangeNothing) {
  for (const int64_t chunk : {16, 32}) {
    SCOPED_TRACE(chunk);
    EngineRun run;
    run.config.prefill_chunk = chunk;
    run.config.max_step_tokens = chunk + 5;
    expect_same(outcomes_of(kModel, mixed_jobs(), run), *alone_);
  }
}

TEST_F(MixedJobs, PreemptionAndEvictionChangeNothing) {
  for (const int32_t ranks : {1, 2}) {
    SCOPED_TRACE(ranks);
    EngineRun run{.num_ranks = ranks};
    run.config.num_slots = 8;
    run.config.max_sequence = 128;
    run.config.max_step_tokens = 40;
    run_engine(kModel, mixed_jobs(), run);
    EXPECT_GT(run.stats.evicted_pages, 0);
    EXPECT_GT(run.stats.preemptions, 0);
    expect_same(run.outcomes, *alone_);
  }
}

// Pages of one position and steps of two tokens: the older job takes the pages of the younger one in mid-prompt.
TEST(EngineScores, PreemptionInThePromptRepeatsNoScore) {
  const std::vector<TokenId> prompt = some_tokens(8, 9);
  const std::vector<EngineJob> jobs = {{some_tokens(1, 5), 11, {}, 0}, scored_job(prompt)};
  EngineRun roomy;
  roomy.config.page_tokens = 1;
  roomy.config.max_step_tokens = 2;
  EngineRun tight = roomy;
  tight.config.num_slots = 12;
  tight.config.max_sequence = 12;
  run_engine(kModel, jobs, tight);
  EXPECT_EQ(tight.stats.preemptions, 1);
  EXPECT_EQ(tight.outcomes[1].prompt_scores.size(), 7U);
  expect_same(tight.outcomes, outcomes_of(kModel, jobs, roomy));
}

TEST(EngineScores, AScoredPromptIsComputedAndServesOthers) {
  EngineRun run;
  std::vector<EngineJob> jobs(4, {some_tokens(40, 4), 2, {}, 0});
  jobs[1] = jobs[2] = scored_job(jobs[0].prompt, 2);
  for (size_t i = 0; i < jobs.size(); ++i) jobs[i].arrival_step = static_cast<int64_t>(4 * i);
  run_engine(kModel, jobs, run);
  EXPECT_EQ(run.outcomes[1].report.cached_prompt_tokens, 0);
  EXPECT_EQ(run.outcomes[2].report.cached_prompt_tokens, 0);
  EXPECT_EQ(run.outcomes[3].report.cached_prompt_tokens, 32);
  EXPECT_EQ(run.outcomes[2].prompt_scores, run.outcomes[1].prompt_scores);

  jobs = {scored_job(jobs[0].prompt, 2), {jobs[0].prompt, 2, {}, 4}};
  run_engine(kModel, jobs, run);
  EXPECT_EQ(run.outcomes[1].report.cached_prompt_tokens, 32);
}

TEST(EngineScores, StoriesTeacherForced) {
  const std::filesystem::path root = testing_support::shared_data() / "models/stories260K";
  if (!std::filesystem::exists(root)) GTEST_SKIP() << root << " is absent";
  const nlohmann::json reference = read_json(root / "reference.json")["teacher_forced"];
  const std::vector<TokenId> tokens = token_ids(reference["ids_with_bos"]);
  for (const int32_t ranks : {1, 2}) {
    const EngineOutcome outcome = outcomes_of(root / "f32", {scored_job(tokens)}, {.num_ranks = ranks})[0];
    double sum = 0.0;
    ASSERT_EQ(outcome.prompt_scores.size(), reference["logprob_per_token"].size());
    for (size_t i = 0; i < outcome.prompt_scores.size(); ++i) {
      EXPECT_NEAR(outcome.prompt_scores[i].logprob, reference["logprob_per_token"][i].get<double>(), 1e-4) << i;
      sum -= static_cast<double>(outcome.prompt_scores[i].logprob);
    }
    EXPECT_NEAR(sum / static_cast<double>(outcome.prompt_scores.size()), reference["mean_nll"].get<double>(), 1e-5);
  }
}

}  // namespace
}  // namespace lockstep
