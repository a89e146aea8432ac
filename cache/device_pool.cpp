#include "cache/device_pool.h"

#include "core/error.h"
#include "kernels/page_summaries.h"

#include <limits>

namespace lockstep {
namespace {

constexpr int64_t kMaxInt64 = std::numeric_limits<int64_t>::max();

int64_t checked_page_bytes(const KvLayout& layout) {
  LS_REQUIRE(ConfigError,
             layout.page_tokens > 0 && layout.num_kv_heads > 0 && layout.num_layers > 0 && layout.head_dim > 0,
             "a KV page of {} tokens, {} KV heads, {} layers and head size {}: each must be at least 1",
             layout.page_tokens, layout.num_kv_heads, layout.num_layers, layout.head_dim);
  LS_REQUIRE(ConfigError, !layout.is_coded() || layout.page_tokens % 16 == 0,
             "a coded KV page of {} tokens: it must be a multiple of 16", layout.page_tokens);
  return layout.page_bytes();
}

int64_t checked_pool_bytes(const KvLayout& layout, int64_t num_slots) {
  const int64_t page_bytes = checked_page_bytes(layout);
  LS_REQUIRE(ConfigError, num_slots > 0 && num_slots <= kMaxInt64 / page_bytes,
             "a KV pool of {} pages of {} bytes; it must have at least 1", num_slots, page_bytes);
  return num_slots * page_bytes;
}

}  // namespace

DevicePool::DevicePool(const KvLayout& layout, int64_t num_slots, Device device, int64_t num_open_slots,
                       int64_t num_summaries)
    : layout_(layout),
      num_slots_(num_slots),
      num_open_slots_(num_open_slots),
      num_summaries_(num_summaries),
      memory_(checked_pool_bytes(layout, num_slots), device) {
  memory_.fill_zero();
  if (num_summaries > 0) {
    const int64_t bytes = summary_slot_bytes(layout);
    LS_REQUIRE(ConfigError, num_summaries >= num_slots && num_summaries <= kMaxInt64 / bytes,
               "a table of {} summaries of {} bytes for {} pages", num_summaries, bytes, num_slots);
    summary_memory_ = Buffer(num_summaries * bytes, device);
    summary_memory_.fill_zero();
  }
  if (!layout.is_coded()) return;
  open_memory_ = Buffer(checked_pool_bytes(KvPages{nullptr, layout}.open_layout(), num_open_slots), device);
  open_memory_.fill_zero();
}

KvPages DevicePool::pages() const {
  KvPages pages{static_cast<std::byte*>(memory_.data()), layout_, static_cast<std::byte*>(open_memory_.data())};
  pages.num_slots = num_slots_;
  pages.summaries = static_cast<std::byte*>(summary_memory_.data());
  pages.num_summaries = num_summaries_;
  return pages;
}

}  // namespace lockstep
