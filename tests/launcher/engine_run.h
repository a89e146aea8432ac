// A whole engine on threads as ranks: jobs in, tokens and scores out.
#pragma once

#include "core/sampling_params.h"
#include "core/token_score.h"
#include "launcher/engine.h"

#include <filesystem>
#include <string>
#include <vector>

namespace lockstep::testing_support {

struct EngineJob {
  std::vector<TokenId> prompt;
  int64_t num_new_tokens = 1;
  SamplingParams sampling;
  int64_t arrival_step = 0;
};

struct EngineOutcome {
  std::vector<TokenId> tokens;
  std::vector<TokenScore> scores;         // of tokens, with logprobs
  std::vector<TokenScore> prompt_scores;  // of the prompt from its second token on
  int64_t num_void = 0;                   // steps without a token: logits were not finite; the job ends there
  SequenceReport report;
};

struct EngineRun {
  int32_t num_ranks = 1;
  int num_threads = 1;
  Device device = Device::cpu();  // CUDA: all ranks share it, sums are staged
  EngineConfig config{.max_sequence = 256,
                      .max_step_tokens = 256,
                      .max_sequences = 16,
                      .prefill_chunk = 0,
                      .page_tokens = 16,
                      .num_slots = 64};

  /// Faults on purpose, as in --inject.
  std::string faults{};

  std::vector<EngineOutcome> outcomes{};
  PlannerStats stats{};
  TierConfig tiers{};                    // as agreed
  MoverStats moves{};                    // of rank 0
  DiskStoreBytes disk{};                 // of rank 0
  std::vector<uint64_t> progress{};      // by rank, at the end
  std::vector<Hash128> digests{};        // by rank: of all page ops
  std::vector<int64_t> between_steps{};  // by rank: calls
  int64_t num_graphs = 0;                // of rank 0
  HotTotals hot{};                       // of rank 0
  std::vector<double> key_decibels{};    // by layer, of kv4
  KvLayout layout{};                     // of rank 0's pages
  std::vector<EngineConfig> configs{};   // by rank, as the keys' calibration left it
};

/// Runs all jobs to their end and fills the second half of `run`. Fails the test where prompt scores come twice, out of
/// order, or after the first token.
void run_engine(const std::filesystem::path& model, const std::vector<EngineJob>& jobs, EngineRun& run);

/// The outcomes alone.
std::vector<EngineOutcome> outcomes_of(const std::filesystem::path& model, const std::vector<EngineJob>& jobs,
                                       EngineRun run = {});

}  // namespace lockstep::testing_support
