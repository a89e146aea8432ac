// How the device's bytes are cut into pages, and what lies beside them: pages that are being written, summaries, copies
// of hot pages. Sizes are proposed from free memory (launcher/runtime/sizing.h) and fitted again once it is known which
// layers have larger pages (Engine::widen_keys()).
#pragma once

#include "core/device.h"
#include "kernels/hot_pages.h"
#include "kernels/kv_layout.h"

#include <cstdint>
#include <limits>

namespace lockstep {

struct EngineConfig;

/// What the device's part of the cache may be. Equal on every rank.
struct DeviceBudget {
  static constexpr int64_t kUnbounded = std::numeric_limits<int64_t>::max();

  int64_t bytes = kUnbounded;  // of a rank, pages that are being written not counted; unbounded: tokens were asked for
  int64_t slots = kUnbounded;  // pages wanted
  int64_t hot_pages = 0;       // wanted where pages are read on the host; below 0: as many as auto gives
  /// The longest sequence may shrink to what the pages hold.
  bool shrinks_longest = false;
};

/// Bytes of a page and of its entries in the table of summaries.
int64_t device_slot_bytes(const EngineConfig& engine, const KvLayout& layout);
/// Bytes of pages that are being written.
int64_t open_page_bytes(const EngineConfig& engine, const KvLayout& layout);
/// Of the buffer of hot pages, where pages are read on the host.
HotSizes hot_sizes(const EngineConfig& engine, const KvLayout& layout);
/// All bytes of the device's part of the cache.
int64_t device_cache_bytes(const EngineConfig& engine, const KvLayout& layout);

/// Tokens of one sequence that fit into so many slots: where its first page is split, that takes two.
int64_t tokens_in(const EngineConfig& engine, int64_t slots);

/// Sets num_slots, hot_pages and max_sequence from engine.budget, for pages of `layout`. Throws ConfigError if no page
/// is left, or the longest sequence does not fit and may not shrink.
void fit_device(EngineConfig& engine, const KvLayout& layout, Device device);

}  // namespace lockstep
