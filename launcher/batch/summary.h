// What a finished job did, for people and for programs.
#pragma once

#include "cache/cache_stats.h"
#include "launcher/batch/journal.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace lockstep {

struct JobSummary {
  std::string version;
  std::string model;
  /// "cpu" or "cuda"; the instruction-set level or the GPU's name; type of weights and activations.
  std::string device;
  std::string isa;
  std::string dtype;
  int64_t ranks = 1;
  int64_t tensor_parallel = 1;
  int64_t data_parallel = 1;
  int64_t threads_per_rank = 1;

  int64_t rows_total = 0;
  /// Finished by earlier runs.
  int64_t rows_resumed = 0;
  /// Finished by this run.
  int64_t rows_done = 0;
  /// Of all finished ones, those that have an error instead of an answer.
  int64_t rows_failed = 0;
  /// Rows that were finished under other settings (--force-resume).
  std::vector<ForeignRows> rows_of_other_settings{};

  /// Of this run. Cached tokens are prompt tokens that were not computed again.
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;
  int64_t generated_tokens = 0;
  /// Steps of the engine.
  int64_t steps = 0;

  /// Time of steps by what they did: prompts, single tokens, or both in one step.
  double prefill_seconds = 0;
  double decode_seconds = 0;
  double mixed_seconds = 0;
  double load_seconds = 0;
  double wall_seconds = 0;

  /// By rank: largest resident host memory, largest memory held on the device (0 on a CPU).
  std::vector<int64_t> peak_host_bytes;
  std::vector<int64_t> peak_device_bytes;

  /// Of all replicas.
  CacheStats cache;

  /// Prompt tokens computed, over prefill time; generated tokens, over decode time; both over wall time. 0 where the
  /// time is 0. Time of mixed steps is in both.
  double prefill_tokens_per_second() const;
  double decode_tokens_per_second() const;
  double generated_tokens_per_wall_second() const;
};

/// Some lines of text, the last one with a line end.
std::string format_summary_text(const JobSummary& summary);
/// An indented JSON object with a line end; keys in a fixed order.
std::string format_summary_json(const JobSummary& summary);
/// Writes the JSON form; a reader sees a whole file or none. Throws IoError.
void write_summary(const std::filesystem::path& path, const JobSummary& summary);

}  // namespace lockstep
