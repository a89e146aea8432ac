#include "core/settings/engine_settings.h"

#include "core/cpu_isa.h"
#include "core/dtype.h"
#include "core/error.h"
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
  options.add("cache.persist", &persist, "in the end, copy cached pages of prompts to the disk, for later jobs");
  options.add("cache.page_tokens", &page_tokens, "tokens of a page, 8 to 1024");
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
  require_one_of("cache.disk_io", disk_io, {"auto", "uring", "pread", "mmap"});
  require_one_of("cache.policy", policy, {"adaptive", "lru", "lfu", "fifo", "compressed"});
  require_one_of("cache.load_or_recompute", load_or_recompute, {"auto", "load"});
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
}

void ScheduleSettings::validate(const CacheSettings& cache) const {
  require_one_of("schedule.order", order, {"input", "reuse"});
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
  schedule.add_to(options);
  transfer.add_to(options);
}

void EngineSettings::validate() const {
  model.validate();
  runtime.validate();
  cache.validate();
  schedule.validate(cache);
  transfer.validate();
}

}  // namespace lockstep
