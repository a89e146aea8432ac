#include "core/settings/engine_settings.h"

#include "core/cpu_isa.h"
#include "core/dtype.h"
#include "core/error.h"
#include "core/settings/layer_ratios.h"
#include "core/settings/option_set.h"

#include <algorithm>
#include <initializer_list>
#include <string_view>

namespace lockstep {
namespace {

void require_range(std::string_view key, int64_t value, int64_t low, int64_t high) {
  LS_REQUIRE(ConfigError, value >= low && value <= high, "{} = {}: accepted are {} to {}", key, value, low, high);
}

void require_one_of(std::string_view key, std::string_view value, std::initializer_list<std::string_view> accepted) {
  if (std::find(accepted.begin(), accepted.end(), value) != accepted.end()) return;
  std::string list;
  for (const std::string_view one : accepted) list += (list.empty() ? "" : ", ") + std::string(one);
  LS_THROW(ConfigError, "{} = '{}': accepted are {}", key, value, list);
}

constexpr int64_t kMostTokens = int64_t{1} << 40;
constexpr int64_t kMostBytes = int64_t{1} << 60;

// Speed: full precision, large steps, no copies. Balanced: half the bytes at the same answers as far as could be
// measured. Aggressive: a quarter, few pages read by each token, and where there is a host tier, the others left to it.
// None sets a cold format: that needs class D1 and sizes that are given.
void add_memory_strategies(OptionSet& options) {
  const auto add = [&](const char* value, const char* format, const char* host_tokens, const char* step_tokens,
                       const char* sparse_ratio, const char* offload) {
    options.add_preset("schedule.memory_strategy", value,
                       {{"cache.format", format, "cache.quantization_bits"},
                        {"cache.host_tokens", host_tokens, "cache.host_bytes"},
                        {"schedule.max_step_tokens", step_tokens},
                        {"attention.sparse_ratio", sparse_ratio},
                        {"attention.sparse_offload", offload}});
  };
  add("speed", "full", "0", "2048", "1", "false");
  add("balanced", "kv8", "-1", "512", "1", "false");
  add("aggressive", "kv4", "-1", "256", "0.25", "auto");
}

}  // namespace

void ModelSettings::add_to(OptionSet& options) {
  options.group("Model");
  options.add("model", &path, "directory of a Hugging Face checkpoint: config.json, *.safetensors, tokenizer");
  options.add("model.dtype", &dtype, "type of weights and activations: auto (as config.json says), f32, f16, bf16");
  options.add("model.max_sequence", &max_sequence,
              "longest sequence in tokens, prompt and answer together; 0 = the model's own limit");
}

void ModelSettings::validate() const {
  LS_REQUIRE(ConfigError, !path.empty(), "--model DIR is missing");
  require_one_of("model.dtype", dtype, {"auto", "f32", "f16", "bf16"});
  require_range("model.max_sequence", max_sequence, 0, int64_t{1} << 31);
}

void CacheSettings::add_to(OptionSet& options) {
  options.group("KV cache");
  options.add("cache.device_tokens", &device_tokens,
              "tokens whose keys and values the device holds, over all sequences; 0 = auto, from free memory");
  options.add("cache.device_bytes", &device_bytes, "the same in bytes of a rank; 0 = as cache.device_tokens says");
  options.add(
      "cache.host_tokens", &host_tokens,
      "tokens that a rank keeps in host memory when they leave the device; 0 = none, -1 = auto: on GPUs twice what the "
      "device holds and at most half of the host memory that is free, on the CPU none");
  options.add("cache.host_bytes", &host_bytes, "the same in bytes of a rank; 0 = as cache.host_tokens says");
  options.add("cache.disk_dir", &disk_dir,
              "directory on a local disk for pages that leave host memory, shared with other jobs and later runs "
              "(docs/disk-store.md); none without it");
  options.add("cache.disk_bytes", &disk_bytes,
              "most bytes of that directory, over all ranks and jobs; 0 = half of what is free on its file system");
  options.add("cache.disk_io", &disk_io, "auto, uring, pread or mmap");
  options.add("cache.disk_packing", &disk_packing,
              "none, or zstd: pages are packed without loss where that saves blocks of the disk, by transfer.workers "
              "threads (docs/disk-store.md); results do not depend on it");
  options.add("cache.disk_packing_level", &disk_packing_level, "of zstd, 1 (fastest) to 9");
  options.add("cache.persist", &persist, "in the end, copy cached pages of prompts to the disk, for later jobs");
  options.add("cache.page_tokens", &page_tokens,
              "tokens of a page, 8 to 1024; with 8 or 4 bits, or a cold format, multiples of 16; results depend on it");
  options.add(
      "cache.format", &format,
      "how full pages are kept: full (the model's dtype), kv8 (8 bits), k8v4 (keys of 8 bits, values of 4), kv4 "
      "(4 bits, but keys of 8 in layers where 4 are too coarse); results depend on it (docs/formats.md)");
  options.add("cache.quantization_bits", &quantization_bits,
              "the same by bits: 16 = full, 8 = kv8, 4 = kv4; 0 = as cache.format says");
  options.add("cache.cold_format", &cold_format,
              "the format of pages that were pushed out of the device and are worth least of what the host keeps, of "
              "fewer bits than cache.format: kv8, k8v4, kv4; auto = as cache.format. Needs determinism = d1 and "
              "cache.policy = compressed (docs/cache.md)");
  options.add("cache.compression_ratio", &compression_ratio,
              "bytes that pages of the host tier may keep on average, as a share of full precision, above 0 and up to "
              "1: how many of them have cache.cold_format; 0 = auto, all but an eighth, for first pages of sequences");
  options.add("cache.policy", &policy,
              "which cached page leaves first: adaptive (by the known next use), lru, lfu, fifo, compressed "
              "(docs/policies.md); results do not depend on it");
  options.add("cache.share_prefixes", &share_prefixes, "compute equal beginnings of prompts once");
  options.add("cache.load_or_recompute", &load_or_recompute,
              "auto: a tier from which pages come slower than they are computed, as measured at start, is left out; "
              "load: every tier is used");
}

void CacheSettings::validate() const {
  require_range("cache.device_tokens", device_tokens, 0, kMostTokens);
  require_range("cache.page_tokens", page_tokens, 8, 1024);
  require_range("cache.device_bytes", device_bytes, 0, kMostBytes);
  require_range("cache.host_tokens", host_tokens, -1, kMostTokens);
  require_range("cache.host_bytes", host_bytes, 0, kMostBytes);
  require_range("cache.disk_bytes", disk_bytes, 0, kMostBytes);
  LS_REQUIRE(ConfigError, device_bytes == 0 || device_tokens == 0,
             "cache.device_tokens = {} and cache.device_bytes = {}: give one of them", device_tokens, device_bytes);
  LS_REQUIRE(ConfigError, host_bytes == 0 || host_tokens == -1,
             "cache.host_tokens = {} and cache.host_bytes = {}: give one of them", host_tokens, host_bytes);
  LS_REQUIRE(ConfigError, disk_bytes == 0 || !disk_dir.empty(), "cache.disk_bytes = {}: give cache.disk_dir too",
             disk_bytes);
  require_one_of("cache.format", format, {"full", "kv8", "k8v4", "kv4"});
  LS_REQUIRE(ConfigError,
             quantization_bits == 0 || quantization_bits == 16 || quantization_bits == 8 || quantization_bits == 4,
             "cache.quantization_bits = {}: accepted are 0, 16, 8, 4", quantization_bits);
  LS_REQUIRE(ConfigError, quantization_bits == 0 || format == "full" || format == format_of_bits(),
             "cache.quantization_bits = {} and cache.format = {}: give one of them", quantization_bits, format);
  LS_REQUIRE(ConfigError, format_of_bits() == "full" || page_tokens % 16 == 0,
             "cache.page_tokens = {}: with cache.format = {} accepted are multiples of 16", page_tokens,
             format_of_bits());
  require_one_of("cache.cold_format", cold_format, {"auto", "full", "kv8", "k8v4", "kv4"});
  LS_REQUIRE(ConfigError, compression_ratio >= 0.0 && compression_ratio <= 1.0,
             "cache.compression_ratio = {}: accepted are numbers above 0 and up to 1, and 0 for auto",
             compression_ratio);
  require_one_of("cache.disk_io", disk_io, {"auto", "uring", "pread", "mmap"});
  require_one_of("cache.disk_packing", disk_packing, {"none", "zstd"});
  require_range("cache.disk_packing_level", disk_packing_level, 1, 9);
  LS_REQUIRE(ConfigError, disk_packing == "none" || !disk_dir.empty(),
             "cache.disk_packing = {}: give cache.disk_dir too", disk_packing);
  LS_REQUIRE(ConfigError, disk_packing != "none" || disk_packing_level == 1,
             "cache.disk_packing_level = {} and cache.disk_packing = none: give cache.disk_packing = zstd too",
             disk_packing_level);
  require_one_of("cache.policy", policy, {"adaptive", "lru", "lfu", "fifo", "compressed"});
  require_one_of("cache.load_or_recompute", load_or_recompute, {"auto", "load"});
}

std::string CacheSettings::format_of_bits() const {
  switch (quantization_bits) {
    case 16: return "full";
    case 8: return "kv8";
    case 4: return "kv4";
    default: return format;
  }
}

void AttentionSettings::add_to(OptionSet& options) {
  options.group("Sparse attention");
  options.add("attention.sparse_ratio", &sparse_ratio,
              "most pages that a generated token attends to, as a share of those before it, above 0 and up to 1; 1 = "
              "all; results depend on it (docs/sparse-attention.md)");
  options.add("attention.sparse_layer_ratios", &sparse_layer_ratios,
              "ratios of single layers, LAYER:RATIO or FIRST-LAST:RATIO joined by slashes, as 0:0.02/1:0.3/8-15:0.05; "
              "there they go before sparse_ratio and sparse_dense_layers, 1 = all pages; or none");
  options.add(
      "attention.sparse_dense_below", &sparse_dense_below,
      "generated tokens that see fewer positions than this (of a sliding window, those within it) attend to all "
      "pages, 0 and more");
  options.add("attention.sparse_dense_layers", &sparse_dense_layers,
              "first layers that attend to all pages, 0 and more; but for those in sparse_layer_ratios");
  options.add("attention.sparse_sink_pages", &sparse_sink_pages, "first pages that are always attended to, 0 to 1024");
  options.add("attention.sparse_recent_pages", &sparse_recent_pages,
              "pages right before a token's own that are always attended to, 0 to 1024");
  options.add("attention.sparse_least_pages", &sparse_least_pages,
              "pages that are attended to at least, whatever the ratio says, 1 and more");
  options.add("attention.sparse_mass", &sparse_mass,
              "share of the estimated attention after which no more pages are taken, above 0 and up to 1");
  options.add("attention.sparse_offload", &sparse_offload,
              "where the device is full, leave pages of sequences that generate to host memory (cache.host_tokens) and "
              "read there what is selected: true, false, or auto = where attention is sparse and there is a host tier "
              "without a cold format; results do not depend on it");
  options.add("attention.sparse_hot_pages", &sparse_hot_pages,
              "GPUs, with sparse_offload: device memory, in pages, for copies of what was selected in host memory, at "
              "least 8; 0 = read where it lies, -1 = auto, an eighth of the device's pages");
}

void AttentionSettings::validate(const CacheSettings& cache) const {
  LS_REQUIRE(ConfigError, sparse_ratio > 0.0 && sparse_ratio <= 1.0,
             "attention.sparse_ratio = {}: accepted are numbers above 0 and up to 1", sparse_ratio);
  const LayerRatios ratios = LayerRatios::parse("attention.sparse_layer_ratios", sparse_layer_ratios);
  LS_REQUIRE(ConfigError, is_sparse() || ratios.is_empty(),
             "attention.sparse_layer_ratios = {} and attention.sparse_ratio = 1, with which attention is dense: give a "
             "ratio below 1, or attention.sparse_layer_ratios = none",
             sparse_layer_ratios);
  LS_REQUIRE(ConfigError, sparse_mass > 0.0 && sparse_mass <= 1.0,
             "attention.sparse_mass = {}: accepted are numbers above 0 and up to 1", sparse_mass);
  require_one_of("attention.sparse_offload", sparse_offload, {"true", "false", "auto"});
  LS_REQUIRE(
      ConfigError, sparse_offload != "true" || is_sparse(),
      "attention.sparse_offload = true and attention.sparse_ratio = {}: dense attention reads all pages at every "
      "token; give a ratio below 1, or attention.sparse_offload = false",
      sparse_ratio);
  const bool has_host = cache.host_tokens != 0 || cache.host_bytes > 0 || !cache.disk_dir.empty();
  LS_REQUIRE(
      ConfigError, sparse_offload != "true" || has_host,
      "attention.sparse_offload = true and cache.host_tokens = 0: there is no host memory to leave pages to; give "
      "cache.host_tokens or cache.host_bytes above 0, or attention.sparse_offload = false");
  require_range("attention.sparse_hot_pages", sparse_hot_pages, -1, int64_t{1} << 30);
  LS_REQUIRE(
      ConfigError, sparse_offload != "false" || sparse_hot_pages <= 0,
      "attention.sparse_hot_pages = {} and attention.sparse_offload = false: give attention.sparse_offload = true "
      "too",
      sparse_hot_pages);
  require_range("attention.sparse_dense_below", sparse_dense_below, 0, kMostTokens);
  require_range("attention.sparse_dense_layers", sparse_dense_layers, 0, 1 << 20);
  require_range("attention.sparse_sink_pages", sparse_sink_pages, 0, 1024);
  require_range("attention.sparse_least_pages", sparse_least_pages, 1, 1 << 20);
  require_range("attention.sparse_recent_pages", sparse_recent_pages, 0, 1024);
}

void ScheduleSettings::add_to(OptionSet& options) {
  options.group("Schedule");
  options.add("schedule.max_step_tokens", &max_step_tokens,
              "most tokens computed in one step, prompts and single tokens together; bounds activation memory");
  options.add("schedule.max_sequences", &max_sequences, "most sequences in one step, 1 to 65536");
  options.add("schedule.prefill_chunk", &prefill_chunk,
              "most prompt tokens of one sequence in one step, a multiple of the page; 0 = up to max_step_tokens");
  options.add("schedule.order", &order,
              "input, or reuse: requests with equal beginnings one after the other, as far as they are known "
              "(--window); results do not depend on it");
  options.add("schedule.memory_strategy", &memory_strategy,
              "none, or a preset for options that are not given: speed, balanced, aggressive (docs/formats.md); "
              "--print-config shows what each sets");
}

void ScheduleSettings::validate(const CacheSettings& cache) const {
  require_one_of("schedule.order", order, {"input", "reuse"});
  require_one_of("schedule.memory_strategy", memory_strategy, {"none", "speed", "balanced", "aggressive"});
  require_range("schedule.max_step_tokens", max_step_tokens, cache.page_tokens, int64_t{1} << 20);
  require_range("schedule.max_sequences", max_sequences, 1, 65536);
  require_range("schedule.prefill_chunk", prefill_chunk, 0, int64_t{1} << 20);
  LS_REQUIRE(ConfigError, prefill_chunk % cache.page_tokens == 0,
             "schedule.prefill_chunk = {}: accepted are multiples of cache.page_tokens = {}", prefill_chunk,
             cache.page_tokens);
}

void TransferSettings::add_to(OptionSet& options) {
  options.group("Transfers between the cache's tiers");
  options.add("transfer.workers", &workers, "threads of a rank that copy pages and take checksums, 1 to 64");
  options.add("transfer.timeout_ms", &timeout_ms, "milliseconds after which a transfer has failed, 1 and more");
  options.add("inject", &inject,
              "faults on purpose, for tests: KIND[:rank=R][:nth=N|:every=N|:probability=P][:seed=S][:ms=D][:step=N], "
              "joined by commas; KIND is host_copy, bit_flip, disk_read, disk_write, enospc, timeout, vanish, delay or "
              "diverge");
}

void TransferSettings::validate() const {
  require_range("transfer.workers", workers, 1, 64);
  require_range("transfer.timeout_ms", timeout_ms, 1, int64_t{1} << 31);
}

void RuntimeSettings::add_to(OptionSet& options) {
  options.group("Ranks and device");
  options.add("tp", &tp, "tensor-parallel ranks of a replica, a divisor of the ranks; 0 = all ranks");
  options.add("threads", &threads, "threads of a rank, 1 to 1024; 0 = cores of the node / its ranks");
  options.add(
      "device", &device,
      "cpu, cuda (a GPU for every rank, or an error), or auto: cuda if every rank finds a GPU, cpu if none does");
  options.add("share-gpu", &share_gpu, "let several ranks of a node share a GPU: slow, for tests");
  options.add("transport", &transport,
              "how sums over ranks travel: auto (shared memory within a node, else mpi; on GPUs nccl), mpi, "
              "shared_memory, nccl; results do not depend on it");
  options.add("graphs", &graphs, "GPUs: record decode steps as CUDA graphs; results do not depend on it");
  options.add("fused-norm", &fused_norm,
              "GPUs within NVLink's reach: sum over ranks, residual and norm in one kernel (NCCL's device interface); "
              "results do not depend on it");
  options.add("plan-ahead", &plan_ahead,
              "plan and enqueue the next step while one computes: on, off, or auto = on GPUs; results do not depend "
              "on it");
  options.add("determinism", &determinism,
              "d0: a result depends on model, row, seed and formats only; d1: also on what else the job computes, but "
              "the same job with the same settings gives it again. What needs d1: cache.cold_format");
  options.add(
      "isa", &isa,
      "highest CPU instruction set to use: auto, scalar, avx2, avx512, avx512_bf16, amx; decides the last bits of "
      "results, so all ranks use the lowest one among them");
  options.add("bind", &bind,
              "auto = each rank of a node takes its share of the cores; inherit = as the launcher bound it");
  options.add("log-level", &log_level, "debug, info, warn or error");
}

void RuntimeSettings::validate() const {
  require_range("tp", tp, 0, 65536);
  require_range("threads", threads, 0, 1024);
  require_one_of("device", device, {"auto", "cpu", "cuda"});
  require_one_of("determinism", determinism, {"d0", "d1"});
  require_one_of("transport", transport, {"auto", "mpi", "shared_memory", "nccl"});
  require_one_of("plan-ahead", plan_ahead, {"auto", "on", "off"});
  if (isa != "auto") parse_cpu_isa(isa);
  require_one_of("bind", bind, {"auto", "inherit"});
  require_one_of("log-level", log_level, {"debug", "info", "warn", "error"});
}

void TraceSettings::add_to(OptionSet& options) {
  options.group("Trace");
  options.add("trace", &file,
              "write what every rank did, and when, to this file, for ui.perfetto.dev; results do not depend on it");
  options.add("trace-layers", &layers, "trace every layer too");
}

void TraceSettings::validate() const {
  LS_REQUIRE(ConfigError, !layers || !file.empty(), "--trace-layers without a trace: give --trace FILE too");
}

void EngineSettings::add_to(OptionSet& options) {
  model.add_to(options);
  runtime.add_to(options);
  cache.add_to(options);
  attention.add_to(options);
  schedule.add_to(options);
  transfer.add_to(options);
  add_memory_strategies(options);
}

void EngineSettings::validate() const {
  model.validate();
  runtime.validate();
  cache.validate();
  attention.validate(cache);
  schedule.validate(cache);
  transfer.validate();
  validate_cold();
}

// Whatever decides which pages are pushed out must be given: results depend on it.
void EngineSettings::validate_cold() const {
  LS_REQUIRE(ConfigError, cache.compression_ratio == 0.0 || cache.has_cold(),
             "cache.compression_ratio = {} and cache.cold_format = {}: give a format of fewer bits than cache.format = "
             "{}, which pages are to get",
             cache.compression_ratio, cache.cold_format, cache.format_of_bits());
  if (!cache.has_cold()) return;
  const std::string cold = "cache.cold_format = " + cache.cold_format;
  LS_REQUIRE(ConfigError, runtime.determinism == "d1",
             "{} and determinism = d0: pages would change with what was pushed out: needs --determinism d1", cold);
  const auto bits_of = [](const std::string& format) {
    return format == "full" ? 3 : format == "kv8" ? 2 : format == "k8v4" ? 1 : 0;
  };
  LS_REQUIRE(ConfigError, bits_of(cache.cold_format) < bits_of(cache.format_of_bits()),
             "{}: pages that are pushed out cannot get more bits than cache.format = {} has", cold,
             cache.format_of_bits());
  LS_REQUIRE(ConfigError, cache.policy == "compressed",
             "{} and cache.policy = {}: only cache.policy = compressed makes pages smaller", cold, cache.policy);
  LS_REQUIRE(ConfigError, attention.sparse_offload != "true",
             "{} and attention.sparse_offload = true: pages that are read on the host have the format of the device; "
             "give one of the two",
             cold);
  LS_REQUIRE(ConfigError, cache.page_tokens % 16 == 0, "cache.page_tokens = {}: with {} accepted are multiples of 16",
             cache.page_tokens, cold);
  if (!cache.shrinks()) return;
  LS_REQUIRE(ConfigError, cache.host_tokens != 0 || cache.host_bytes > 0,
             "{}: there is no host tier, where pages would have it: give cache.host_tokens or cache.host_bytes", cold);
  LS_REQUIRE(ConfigError, cache.host_tokens > 0 || cache.host_bytes > 0,
             "{} and cache.host_tokens = auto: how much memory is free would decide which pages change: give "
             "cache.host_tokens or cache.host_bytes",
             cold);
  LS_REQUIRE(ConfigError, cache.device_tokens > 0 || cache.device_bytes > 0,
             "{} and cache.device_tokens = auto: how much memory is free would decide which pages change: give "
             "cache.device_tokens or cache.device_bytes",
             cold);
  LS_REQUIRE(ConfigError, cache.disk_dir.empty() || cache.disk_bytes > 0,
             "{} and cache.disk_bytes = auto: how much of the disk is free would decide which pages change: give "
             "cache.disk_bytes",
             cold);
}

}  // namespace lockstep
