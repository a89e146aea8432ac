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
  std::string disk_packing = "none";
  int64_t disk_packing_level = 1;  // of zstd
  bool persist = true;
  int64_t page_tokens = 64;
  std::string format = "full";
  int64_t quantization_bits = 0;     // 0 = as format says
  std::string cold_format = "auto";  // auto = as format says
  double compression_ratio = 0.0;    // 0 = auto
  std::string policy = "adaptive";
  bool share_prefixes = true;
  std::string load_or_recompute = "auto";
  bool never_shrinks = false;  // no option: pages are named as with cold_format, and none shrinks (`cache warm`)

  /// format, or what quantization_bits chooses.
  std::string format_of_bits() const;
  /// Whether pages are of jobs in which those of the host tier may get fewer bits than others.
  bool has_cold() const { return cold_format != "auto" && cold_format != format_of_bits(); }
  /// Whether they may here.
  bool shrinks() const { return has_cold() && !never_shrinks; }
  void add_to(OptionSet& options);
  void validate() const;
};

/// Page-sparse decode; off with a ratio of 1.
struct AttentionSettings {
  double sparse_ratio = 1.0;
  std::string sparse_layer_ratios = "none";  // LayerRatios::parse()
  int64_t sparse_dense_below = 2048;         // tokens
  int64_t sparse_dense_layers = 2;
  int64_t sparse_sink_pages = 1;
  int64_t sparse_recent_pages = 2;
  int64_t sparse_least_pages = 8;
  double sparse_mass = 1.0;
  std::string sparse_offload = "false";
  int64_t sparse_hot_pages = -1;  // -1 = auto

  bool is_sparse() const { return sparse_ratio < 1.0; }
  void add_to(OptionSet& options);
  void validate(const CacheSettings& cache) const;
};

struct ScheduleSettings {
  int64_t max_step_tokens = 512;
  int64_t max_sequences = 64;
  int64_t prefill_chunk = 0;  // 0 = bounded by max_step_tokens only
  std::string order = "input";
  std::string memory_strategy = "none";

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
  std::string determinism = "d0";
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
  AttentionSettings attention;
  ScheduleSettings schedule;
  TransferSettings transfer;
  RuntimeSettings runtime;
  TraceSettings trace;

  void add_to(OptionSet& options);
  void validate() const;

 private:
  void validate_cold() const;
};

}  // namespace lockstep
