// The measurements behind `lockstep bench claims`: each function measures one comparison and answers the claims that it
// decides. All are collective over the world; what they return counts on rank 0 alone.
#pragma once

#include "core/checkpoint/model_config.h"
#include "core/settings/engine_settings.h"
#include "launcher/commands/bench/claims_table.h"
#include "launcher/runtime/runtime.h"

#include <cstdint>
#include <string>
#include <vector>

namespace lockstep {
class Communicator;
class MpiEnvironment;
class OptionSet;
}  // namespace lockstep

namespace lockstep::bench {

struct ClaimSettings {
  std::string only;  // "" = all
  int64_t repeats = 3;
  int64_t seconds = 12;  // of one comparison; what has begun is finished
  int64_t prefixes = 4, requests = 96, prefix_tokens = 512, suffix_tokens = 16;
  int64_t context = 32768;
  int64_t rows = 64;
  int64_t batch = 8, input_tokens = 256, output_tokens = 32;
  int64_t prompt_tokens = 2048;
  int64_t at_once = 16;

  void add_to(OptionSet& options);
  /// Throws ConfigError naming option, value and accepted values.
  void validate() const;
};

/// What every measurement is given.
struct ClaimRun {
  const MpiEnvironment& mpi;
  Communicator& world;
  const EngineSettings& engine;  // of the command line; measurements change a copy
  const ClaimSettings& sizes;
  const ModelConfig& model;
};

/// attention.sparse_ratio of the command line, or 0.1 where that is dense.
double sparse_ratio_of(const ClaimRun& run);
/// Why there are no codes for pages of so many tokens.
std::string coded_pages_need(int64_t page_tokens);

/// Takes out what only pages that shrink in the host tier have. Which ones do depends on the whole job and on sizes
/// that a comparison changes.
void reset_cold_format(CacheSettings& cache);

// Settings that a measurement's engines have, to be validated before anything is measured: what is compared changed,
// and reset what contradicts it.
std::vector<EngineSettings> reuse_settings(const ClaimRun& run);            // apart, shared
std::vector<EngineSettings> parallel_settings(const ClaimRun& run);         // one worker, all
std::vector<EngineSettings> mixed_precision_settings(const ClaimRun& run);  // f32, bf16
std::vector<EngineSettings> latency_settings(const ClaimRun& run);          // in one step, in chunks
std::vector<EngineSettings> sparse_memory_settings(const ClaimRun& run);    // of sizes that are found later
std::vector<EngineSettings> accuracy_settings(const ClaimRun& run);         // full, and those that pages allow

/// reuse, hit-rate: the same requests with and without cache.share_prefixes.
std::vector<Claim> measure_reuse(const ClaimRun& run);
/// parallel: all ranks and threads against one thread of one rank.
std::vector<Claim> measure_parallel(const ClaimRun& run);
/// mixed-precision: model.dtype bf16 against f32.
std::vector<Claim> measure_mixed_precision(const ClaimRun& run);
/// latency: the longest wait for a token of a running sequence while a long prompt is computed, in chunks of a page
/// against all in one step.
std::vector<Claim> measure_latency(const ClaimRun& run);
/// sparse-speed: attention of one token on rank 0's device, a rank's part of the heads.
std::vector<Claim> measure_sparse(const ClaimRun& run, const Runtime& runtime);
/// sparse-memory: questions that run at once, dense and with attention.sparse_offload.
std::vector<Claim> measure_sparse_memory(const ClaimRun& run);
/// kv8-bytes, kv4-bytes: from the layout of pages, with all that they hold. Local.
std::vector<Claim> measure_page_bytes(const ClaimRun& run);
/// sparse-accuracy, kv8-accuracy, kv4-accuracy, those of them in `wanted`: the model's held-out set, as `lockstep
/// eval`.
std::vector<Claim> measure_accuracy(const ClaimRun& run, const std::vector<std::string>& wanted);

}  // namespace lockstep::bench
