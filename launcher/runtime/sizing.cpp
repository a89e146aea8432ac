#include "launcher/runtime/sizing.h"

#include "cache/transfer/host_pool.h"
#include "core/cuda_api.h"
#include "core/error.h"
#include "dist/model/activations.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <limits>

namespace lockstep {
namespace {

int64_t read_number(const char* path) {
  std::ifstream file(path);
  int64_t value = 0;
  return file >> value ? value : std::numeric_limits<int64_t>::max();  // "max" or no such file: no limit
}

int64_t meminfo_available() {
  std::ifstream file("/proc/meminfo");
  std::string key, unit;
  int64_t kibibytes = 0;
  while (file >> key >> kibibytes >> unit) {
    if (key == "MemAvailable:") return kibibytes * 1024;
  }
  return std::numeric_limits<int64_t>::max();
}

int64_t div_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

int64_t host_memory() {
  const int64_t limit = read_number("/sys/fs/cgroup/memory.max");
  const int64_t used = read_number("/sys/fs/cgroup/memory.current");
  const bool has_limit = limit != std::numeric_limits<int64_t>::max() && used != std::numeric_limits<int64_t>::max();
  return std::min(meminfo_available(), has_limit ? std::max<int64_t>(limit - used, 0) : limit);
}

// What a GPU rank sets aside beside the arena of activations: logits, and workspaces that grow with use (attention over
// split contexts, sums over segments and ranks, cuBLASLt).
int64_t device_extra_bytes(const EngineConfig& engine, const ModelConfig& model, const ModelShard& shard) {
  constexpr int64_t kWorkspaces = int64_t{768} << 20;
  const int64_t sampled = DecodeGraphs::padded(engine.max_sequences);
  const int64_t logits = sampled * (shard.vocab.size() + 2 * model.vocab_size) * size_of(DType::kF32);
  const int64_t sums = 2 * engine.most_forward_tokens() * model.hidden_size * size_of(DType::kF32);
  return kWorkspaces + logits + sums;
}

int64_t free_disk_bytes(const std::string& directory) {
  std::error_code error;
  std::filesystem::path path(directory);
  while (!path.empty() && path.has_parent_path() && !std::filesystem::exists(path, error)) path = path.parent_path();
  const std::filesystem::space_info space = std::filesystem::space(path.empty() ? "." : path, error);
  LS_REQUIRE(ConfigError, !error, "cache.disk_dir = '{}': {}", directory, error.message());
  return static_cast<int64_t>(space.available);
}

void propose_tiers(const EngineSettings& settings, const KvLayout& layout, Device device,
                   const AvailableMemory& available, Sizing& sizing) {
  // What a disk tier needs of host memory at least: pages come and go through it.
  constexpr int64_t kLeastHostSlots = 32;
  const CacheSettings& cache = settings.cache;
  const int64_t slot_bytes = HostPool::slot_bytes_of(layout);
  TierSizes& tiers = sizing.engine.tiers;
  if (cache.host_bytes > 0) {
    tiers.host_slots = cache.host_bytes / slot_bytes;
    tiers.are_slots_by_bytes = true;
  } else if (cache.host_tokens >= 0) {
    tiers.host_slots = div_up(cache.host_tokens, layout.page_tokens);
  } else if (device.kind == DeviceKind::kCuda) {
    tiers.host_slots = std::min(available.host_bytes / 2 / slot_bytes, 2 * sizing.engine.num_slots);
    tiers.are_slots_by_bytes = true;
  }
  if (!cache.disk_dir.empty()) {
    tiers.host_slots = std::max(tiers.host_slots, kLeastHostSlots);
    tiers.disk_dir = cache.disk_dir;
    tiers.disk_bytes = cache.disk_bytes > 0 ? cache.disk_bytes : free_disk_bytes(cache.disk_dir) / 2;
  }
  if (cache.has_cold()) {  // pages are named by both, also where none shrinks
    tiers.cold_format = parse_kv_format(cache.cold_format);
    tiers.compression_ratio = cache.compression_ratio;
  }
  if (cache.shrinks()) {
    tiers.host_bytes = cache.host_bytes > 0 ? cache.host_bytes : tiers.host_slots * slot_bytes;
    const KvLayout cold = cold_layout_of(layout, tiers.cold_format, {});
    fit_cold_slots(tiers, layout, cold);
    sizing.cold_slot_bytes = HostPool::cold_slot_bytes_of(cold);
  }
  tiers.disk_io = cache.disk_io;
  tiers.disk_packing_level = cache.disk_packing == "zstd" ? static_cast<int32_t>(cache.disk_packing_level) : 0;
  tiers.persist = cache.persist;
  tiers.workers = settings.transfer.workers;
  tiers.timeout = std::chrono::milliseconds(settings.transfer.timeout_ms);
  tiers.faults = parse_faults(settings.transfer.inject);
  // Results would depend on what was measured.
  tiers.may_bypass = cache.load_or_recompute == "auto" && !cache.shrinks();
  sizing.memory.host_cache = cache.shrinks() ? tiers.host_bytes : tiers.host_slots * slot_bytes;
  LS_REQUIRE(ConfigError, settings.attention.sparse_offload != "true" || tiers.host_slots > 0,
             "attention.sparse_offload = true and cache.host_tokens = {}, which comes to no host memory here; give "
             "cache.host_tokens or cache.host_bytes above 0, or attention.sparse_offload = false",
             cache.host_tokens);
}

std::optional<SparseLayers> sparse_layers(const AttentionSettings& settings, const ModelConfig& model) {
  if (!settings.is_sparse()) return std::nullopt;
  const LayerRatios ratios = LayerRatios::parse("attention.sparse_layer_ratios", settings.sparse_layer_ratios);
  LS_REQUIRE(ConfigError, ratios.highest_layer() < model.num_layers,
             "attention.sparse_layer_ratios = {}: the model has layers 0 to {}", settings.sparse_layer_ratios,
             model.num_layers - 1);
  return SparseLayers({.ratio = settings.sparse_ratio,
                       .dense_below = settings.sparse_dense_below,
                       .dense_layers = settings.sparse_dense_layers,
                       .sink_pages = settings.sparse_sink_pages,
                       .recent_pages = settings.sparse_recent_pages,
                       .least_pages = settings.sparse_least_pages,
                       .mass = settings.sparse_mass},
                      ratios);
}

}  // namespace

AvailableMemory available_memory(Device device, int32_t local_size, bool share_gpu) {
  if (device.kind == DeviceKind::kCpu) return {host_memory() / local_size, 0.5};
  return {cuda_core().device_info(device).free_bytes / (share_gpu ? local_size : 1), 0.9, host_memory() / local_size};
}

Sizing propose_sizing(const EngineSettings& settings, const ModelConfig& model, const ModelShard& shard,
                      const OpContext& context, const AvailableMemory& available) {
  Sizing sizing;
  EngineConfig& engine = sizing.engine;
  engine.dtype = settings.model.dtype == "auto" ? model.dtype : parse_dtype(settings.model.dtype);
  engine.page_tokens = settings.cache.page_tokens;
  engine.share_prefixes = settings.cache.share_prefixes;
  engine.policy = settings.cache.policy;
  engine.order = settings.schedule.order == "reuse" ? ScheduleOrder::kReuse : ScheduleOrder::kInput;
  engine.max_step_tokens = settings.schedule.max_step_tokens;
  engine.max_sequences = settings.schedule.max_sequences;
  engine.prefill_chunk = settings.schedule.prefill_chunk;

  const int64_t asked = settings.model.max_sequence;
  LS_REQUIRE(ConfigError, asked <= model.max_positions, "model.max_sequence = {}: the model has {} positions", asked,
             model.max_positions);
  engine.max_sequence = asked == 0 ? model.max_positions : asked;

  engine.format = parse_kv_format(settings.cache.format_of_bits());
  LS_REQUIRE(
      ConfigError,
      (engine.format != KvFormat::kKv4 && settings.cache.cold_format != "kv4") || model.num_layers <= LayerSet::kMost,
      "cache.format = {} and cache.cold_format = {}: kv4 is for models of up to {} layers, this one has {}",
      settings.cache.format_of_bits(), settings.cache.cold_format, LayerSet::kMost, model.num_layers);
  engine.sparse = sparse_layers(settings.attention, model);
  const KvLayout layout{.page_tokens = engine.page_tokens,
                        .num_kv_heads = shard.kv_heads.size(),
                        .num_layers = model.num_layers,
                        .head_dim = model.head_dim,
                        .dtype = engine.dtype,
                        .format = engine.format,
                        .has_summaries = engine.sparse && engine.format == KvFormat::kFull};
  sizing.layout = layout;
  const int64_t open_bytes = open_page_bytes(engine, layout);
  const int64_t slot_bytes = device_slot_bytes(engine, layout);
  DeviceBudget& budget = engine.budget;
  budget.hot_pages = settings.attention.sparse_hot_pages;
  budget.shrinks_longest = asked == 0;
  sizing.memory.weights = decoder_weight_bytes(context, model, shard, engine.dtype);
  engine.graphs = settings.runtime.graphs && context.device.kind == DeviceKind::kCuda;
  engine.plan_ahead = settings.runtime.plan_ahead == "on" ||
                      (settings.runtime.plan_ahead == "auto" && context.device.kind == DeviceKind::kCuda);
  sizing.memory.activations = Activations::bytes(model, shard, engine.dtype, engine.most_forward_tokens());
  if (context.device.kind == DeviceKind::kCuda) sizing.memory.activations += device_extra_bytes(engine, model, shard);
  if (settings.cache.device_bytes > 0) {
    budget.bytes = std::max<int64_t>(settings.cache.device_bytes - open_bytes, 0);
    LS_REQUIRE(
        ConfigError, budget.bytes >= slot_bytes,
        "cache.device_bytes = {}: a page of {} tokens takes {} bytes a rank, and {} bytes are for pages that are "
        "being written (schedule.max_sequences = {}, schedule.max_step_tokens = {})",
        settings.cache.device_bytes, engine.page_tokens, slot_bytes, open_bytes, engine.max_sequences,
        engine.max_step_tokens);
    sizing.reason = "cache.device_bytes";
  } else if (settings.cache.device_tokens > 0) {
    budget.slots = layout.slots_for(settings.cache.device_tokens);
    sizing.reason = "cache.device_tokens";
  } else {
    const int64_t share = available.bytes - sizing.memory.weights - sizing.memory.activations;
    const auto bytes = static_cast<int64_t>(static_cast<double>(std::max<int64_t>(share, 0)) * available.cache_share);
    budget.bytes = std::max<int64_t>(bytes - open_bytes, 0);
    budget.slots = engine.max_sequences * layout.slots_for(engine.max_sequence);
    LS_REQUIRE(
        ConfigError, budget.bytes >= slot_bytes,
        "cache.device_tokens = auto: weights ({} bytes) and activations ({} bytes) leave no memory for the KV cache "
        "of {} available bytes a rank; set it by hand, or use more ranks",
        sizing.memory.weights, sizing.memory.activations, available.bytes);
    sizing.reason = budget.bytes / slot_bytes < budget.slots
                        ? fmt::format("{:.0f} % of the memory left to this rank", 100.0 * available.cache_share)
                        : "max_sequences of the longest length";
  }
  sizing.slot_bytes = slot_bytes;
  engine.num_slots = std::min(budget.slots, budget.bytes / slot_bytes);  // the host tier is as large as several
  propose_tiers(settings, layout, context.device, available, sizing);
  engine.offloads =
      settings.attention.sparse_offload == "true" || (settings.attention.sparse_offload == "auto" && engine.sparse &&
                                                      engine.tiers.host_slots > 0 && !settings.cache.has_cold());
  fit_device(engine, layout, context.device);
  sizing.memory.kv_cache = device_cache_bytes(engine, layout);
  return sizing;
}

void agree_on_sizing(Communicator& world, Device device, Sizing& sizing) {
  EngineConfig& engine = sizing.engine;
  engine.budget.bytes = world.all_reduce_min(engine.budget.bytes);
  TierSizes& tiers = engine.tiers;
  const int64_t host_slot_bytes = tiers.host_slots > 0 ? sizing.memory.host_cache / tiers.host_slots : 0;
  tiers.host_slots = world.all_reduce_min(tiers.host_slots);
  engine.offloads = engine.offloads && tiers.host_slots > 0;
  tiers.cold_slots = world.all_reduce_min(tiers.cold_slots);
  tiers.host_bytes = world.all_reduce_min(tiers.host_bytes);
  tiers.disk_bytes = world.all_reduce_min(tiers.disk_bytes);
  sizing.memory.host_cache = tiers.host_bytes > 0 ? tiers.host_bytes : tiers.host_slots * host_slot_bytes;
  fit_device(engine, sizing.layout, device);
  engine.max_sequence = world.all_reduce_min(engine.max_sequence);
  sizing.memory.kv_cache = device_cache_bytes(engine, sizing.layout);
}

}  // namespace lockstep
