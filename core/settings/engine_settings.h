// What decides how an engine runs: one struct per section of the configuration, each with its own checks.
//
// Keys, units and ranges are in `lockstep generate --help` and configs/. A value of "auto" or 0 is resolved at start by
// launcher/runtime/, which prints what it chose and why.
#pragma once

#include <cstdint>
#include <string>

namespace lockstep {

class OptionSet;

struct ModelSettings {
  std::string path;            // model directory
  std::string dtype = "auto";  // of weights and activations; auto = config.json's
  int64_t max_sequence = 0;    // tokens, prompt and answer; 0 = the model's limit

  void add_to(OptionSet& options);
  /// Throws ConfigError naming key, value and accepted values.
  void validate() const;
};

struct CacheSettings {
  int64_t device_tokens = 0;  // 0 = auto
  int64_t page_tokens = 64;
  std::string policy = "lru";
  bool share_prefixes = true;

  void add_to(OptionSet& options);
  void validate() const;
};

struct ScheduleSettings {
  int64_t max_step_tokens = 512;
  int64_t max_sequences = 64;
  int64_t prefill_chunk = 0;  // 0 = bounded by max_step_tokens only

  void add_to(OptionSet& options);
  void validate(const CacheSettings& cache) const;
};

struct RuntimeSettings {
  int64_t tp = 0;       // 0 = all ranks
  int64_t threads = 0;  // per rank; 0 = cores of the node / ranks of the node
  std::string device = "auto";
  bool share_gpu = false;
  std::string transport = "auto";
  bool graphs = true;               // CUDA
  bool fused_norm = false;          // NCCL
  std::string plan_ahead = "auto";  // auto = on CUDA
  std::string isa = "auto";
  std::string bind = "auto";
  std::string log_level = "info";

  void add_to(OptionSet& options);
  void validate() const;
};

/// Of commands that can be traced, which add these options themselves.
struct TraceSettings {
  std::string file;  // "" = none
  bool layers = false;

  void add_to(OptionSet& options);
  void validate() const;
};

struct EngineSettings {
  ModelSettings model;
  CacheSettings cache;
  ScheduleSettings schedule;
  RuntimeSettings runtime;
  TraceSettings trace;

  void add_to(OptionSet& options);
  void validate() const;
};

}  // namespace lockstep
