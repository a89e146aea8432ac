#include "launcher/device_slots.h"

#include "core/error.h"
#include "kernels/hot_pages.h"
#include "kernels/page_summaries.h"
#include "kernels/select_pages.h"
#include "launcher/engine.h"

#include <algorithm>

namespace lockstep {
namespace {

constexpr int64_t kHotShare = 8;  // auto: of the device's pages one more is hot

// Summaries of the host's pages, and copies of hot ones.
int64_t offload_bytes(const EngineConfig& engine, const KvLayout& layout) {
  if (!engine.offloads) return 0;
  return engine.tiers.host_slots * summary_slot_bytes(layout) + hot_buffer_bytes(layout, hot_sizes(engine, layout));
}

void reserve_for_offload(EngineConfig& engine, const KvLayout& layout, Device device) {
  const DeviceBudget& budget = engine.budget;
  if (device.kind == DeviceKind::kCuda) {
    engine.hot_pages =
        whole_hot_sets(budget.hot_pages < 0 ? std::max(engine.num_slots / kHotShare, kHotWays) : budget.hot_pages);
  }
  if (budget.bytes == DeviceBudget::kUnbounded) return;
  const int64_t bytes = offload_bytes(engine, layout);
  const int64_t left = std::max<int64_t>(budget.bytes - bytes, 0);
  engine.num_slots = std::min(engine.num_slots, left / device_slot_bytes(engine, layout));
  LS_REQUIRE(
      ConfigError, engine.num_slots > 0,
      "attention.sparse_offload = true: summaries of {} host pages and {} hot pages (attention.sparse_hot_pages) "
      "take {} bytes, more than the device has for pages",
      engine.tiers.host_slots, engine.hot_pages, bytes);
}

}  // namespace

int64_t device_slot_bytes(const EngineConfig& engine, const KvLayout& layout) {
  return layout.page_bytes() + (engine.sparse ? summary_slot_bytes(layout) : 0);
}

int64_t open_page_bytes(const EngineConfig& engine, const KvLayout& layout) {
  return engine.num_open_slots() * KvPages{nullptr, layout}.open_layout().page_bytes();
}

HotSizes hot_sizes(const EngineConfig& engine, const KvLayout& layout) {
  return {.num_pages = engine.hot_pages,
          .num_host_slots = engine.tiers.host_slots,
          .max_lists = engine.batch_limits().rows * layout.num_kv_heads,
          .list_capacity = engine.sparse->most_pages(engine.most_pages())};
}

int64_t device_cache_bytes(const EngineConfig& engine, const KvLayout& layout) {
  return engine.num_slots * device_slot_bytes(engine, layout) + open_page_bytes(engine, layout) +
         offload_bytes(engine, layout);
}

int64_t tokens_in(const EngineConfig& engine, int64_t slots) {
  const bool is_split = KvLayout{.format = engine.format}.splits_first_page();
  return std::max<int64_t>(slots - (is_split ? 1 : 0), 0) * engine.page_tokens;
}

void fit_device(EngineConfig& engine, const KvLayout& layout, Device device) {
  const DeviceBudget& budget = engine.budget;
  engine.num_slots = std::min(budget.slots, budget.bytes / device_slot_bytes(engine, layout));
  if (engine.offloads) reserve_for_offload(engine, layout, device);
  const int64_t tokens = tokens_in(engine, engine.num_slots);
  if (budget.shrinks_longest) engine.max_sequence = std::min(engine.max_sequence, tokens);
  LS_REQUIRE(
      ConfigError, tokens > 0 && engine.max_sequence <= tokens,
      "cache.device_tokens = {}: the KV cache must hold at least one sequence of model.max_sequence = {} tokens{}",
      tokens, engine.max_sequence,
      layout.wide_keys.size() > 0
          ? fmt::format(" ({} of {} layers keep keys of 8 bits)", layout.wide_keys.size(), layout.num_layers)
          : "");
}

}  // namespace lockstep
