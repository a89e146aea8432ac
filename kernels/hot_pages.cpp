#include "kernels/hot_pages.h"

#include "kernels/check.h"
#include "kernels/cuda_api.h"

#include <algorithm>
#include <limits>

namespace lockstep {
namespace {

void check_buffer(const OpContext& context, const HotPages& hot) {
  LS_CHECK(context.device.kind == DeviceKind::kCuda, "hot pages are for devices with memory of their own");
  LS_CHECK(hot.blocks != nullptr && hot.num_blocks > 0 && hot.num_blocks % kHotWays == 0,
           "a buffer of {} hot blocks; a multiple of {} is needed", hot.num_blocks, kHotWays);
}

}  // namespace

int64_t hot_block_bytes(const KvLayout& layout) {
  int64_t largest = 0;
  for (int64_t layer = 0; layer < layout.num_layers; ++layer) largest = std::max(largest, layout.layer_bytes(layer));
  return (largest + 63) / 64 * 64;
}

int64_t hot_page_bytes(const KvLayout& layout) {
  constexpr auto kBeside = static_cast<int64_t>(sizeof(*HotPages::tags) + sizeof(*HotPages::used));
  return layout.num_layers * layout.num_kv_heads * (hot_block_bytes(layout) + kBeside);
}

void check_hot_slots(int64_t num_slots, int64_t num_host_slots, int64_t num_blocks) {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  LS_REQUIRE(
      ConfigError,
      num_slots <= kMost && num_host_slots <= kMost - num_slots && num_blocks <= kMost - num_slots - num_host_slots,
      "{} pages on the device, {} on the host and {} hot pages (attention.sparse_hot_pages): together at most {} "
      "are possible",
      num_slots, num_host_slots, num_blocks, kMost);
}

int64_t whole_hot_sets(int64_t pages) { return pages <= 0 ? 0 : std::max(pages / kHotWays, int64_t{1}) * kHotWays; }

int64_t hot_buffer_bytes(const KvLayout& layout, const HotSizes& sizes) {
  const int64_t blocks = whole_hot_sets(sizes.num_pages);
  if (blocks == 0) return 0;
  constexpr auto kCall = static_cast<int64_t>(sizeof(*HotPages::calls));
  constexpr auto kLaunch = static_cast<int64_t>(sizeof(*HotPages::launches));
  constexpr auto kClaim = static_cast<int64_t>(sizeof(*HotPages::claims));
  constexpr auto kFilling = static_cast<int64_t>(sizeof(*HotPages::fillings));
  constexpr auto kEntry = static_cast<int64_t>(sizeof(*HotLists::slots));
  const int64_t heads = layout.num_kv_heads;
  return blocks * hot_page_bytes(layout) + heads * (layout.num_layers * kCall + kLaunch) +
         sizes.num_host_slots * (heads * kClaim + kFilling) +
         kHotTotals * static_cast<int64_t>(sizeof(*HotPages::totals)) +
         kHotListArrays * sizes.max_lists * sizes.list_capacity * kEntry;
}

void void_hot_pages(const OpContext& context, std::span<const int32_t> host_slots, const HotPages& hot) {
  check_context("void_hot_pages", context);
  check_buffer(context, hot);
  for (const int32_t slot : host_slots) {
    LS_CHECK(slot >= 0 && slot < hot.num_host_slots, "host slot {} of {}", slot, hot.num_host_slots);
  }
  if (!host_slots.empty()) cuda_kernels().void_hot_pages(context, host_slots, hot);
}

void fetch_hot_pages(const OpContext& context, const RaggedRows& rows, int64_t layer, const KvPages& pages,
                     const PageSelection& selection, const HotPages& hot, const HotLists& lists, bool is_hint) {
  check_context("fetch_hot_pages", context);
  check_buffer(context, hot);
  const KvLayout& layout = pages.layout;
  LS_REQUIRE(ShapeError, layer >= 0 && layer < layout.num_layers, "fetch_hot_pages: layer {} of {}", layer,
             layout.num_layers);
  LS_REQUIRE(ShapeError, hot.block_bytes >= layout.layer_bytes(layer) && hot.block_bytes % 16 == 0,
             "fetch_hot_pages: blocks of {} bytes for {}", hot.block_bytes, layout.layer_bytes(layer));
  LS_CHECK(pages.host_base != nullptr, "fetch_hot_pages: no pages lie in the host");
  check_hot_slots(pages.num_slots, hot.num_host_slots, hot.num_blocks);
  LS_CHECK(
      selection.pages != nullptr && selection.counts != nullptr && lists.slots != nullptr && lists.sources != nullptr,
      "fetch_hot_pages: no lists");
  if (rows.num_rows > 0 && selection.capacity > 0) {
    cuda_kernels().fetch_hot_pages(context, rows, layer, pages, selection, hot, lists, is_hint);
  }
}

}  // namespace lockstep
