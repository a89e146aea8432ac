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

/// Capacities are a rank's, in tokens or in bytes.
struct CacheSettings {
  int64_t device_tokens = 0;  // 0 = auto
  int64_t device_bytes = 0;   // 0 = as device_tokens says
  int64_t host_tokens = -1;   // -1 = auto, 0 = none
  int64_t host_bytes = 0;     // 0 = as host_tokens says
  std::string disk_dir;       // "" = no disk tier
  int64_t disk_bytes = 0;     // of the directory; 0 = auto
  std::string disk_io = "auto";
  bool persist = true;
  int64_t page_tokens = 64;
  std::string policy = "adaptive";
  bool share_prefixes = true;
  std::string load_or_recompute = "auto";

  void add_to(OptionSet& options);
  void validate() const;
};

struct ScheduleSettings {
  int64_t max_step_tokens = 512;
  int64_t max_sequences = 64;
  int64_t prefill_chunk = 0;  // 0 = bounded by max_step_tokens only
  std::string order = "input";

  void add_to(OptionSet& options);
  void validate(const CacheSettings& cache) const;
};

/// Copies of pages between tiers.
struct TransferSettings {
  int64_t workers = 2;
  int64_t timeout_ms = 30'000;
  std::string inject;  // faults on purpose; "" = none

  void add_to(OptionSet& options);
  void validate() const;
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
  TransferSettings transfer;
  RuntimeSettings runtime;
  TraceSettings trace;

  void add_to(OptionSet& options);
  void validate() const;
};

}  // namespace lockstep
