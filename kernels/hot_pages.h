// Device copies of pages that lie in host memory: what sparse rows select again and again crosses the bus once.
//
// Of every layer and KV head there is room for num_blocks blocks (K, V and summary of that layer and head of a page),
// in sets of kHotWays: a page may be in any place of one set, and takes that of the block that was not read for
// longest. A block is never taken from a page that the same step reads; a page that finds no place is read where it
// lies. Copies of what lies in the host are as good as that, so nothing here changes an answer: which pages are hot is
// a rank's own affair, and need not be the same on all ranks. CUDA only: on a CPU, host memory is what the device has.
#pragma once

#include "kernels/context.h"
#include "kernels/paged_attention.h"

#include <cstdint>
#include <span>

namespace lockstep {

inline constexpr int64_t kHotWays = 8;
inline constexpr int64_t kHotTotals = 3;
/// Arrays of one entry for every list's page: HotLists for calls and for hints.
inline constexpr int64_t kHotListArrays = 4;

/// Memory on the context's device, zero before the first use. Kernels get it as an argument.
struct HotPages {
  std::byte* blocks = nullptr;  // [layer][KV head][num_blocks] of block_bytes, aligned to 16; null: there is no buffer
  int64_t block_bytes = 0;      // at least KvLayout::layer_bytes() of every layer, a multiple of 16
  int64_t num_blocks = 0;       // a multiple of kHotWays
  uint64_t* tags = nullptr;     // [layer][KV head][num_blocks]: the host slot and its filling; 0: holds nothing
  int32_t* used = nullptr;      // [layer][KV head][num_blocks]: the last call that read or filled it
  int32_t* calls = nullptr;     // [layer][KV head]: calls so far
  int32_t* launches = nullptr;  // [KV head]: calls for all layers so far, hints among them
  int32_t* claims = nullptr;    // [KV head][num_host_slots]: the launch that last looked for a place for the slot
  int32_t* fillings = nullptr;  // [num_host_slots]: how often the slot was filled
  int64_t num_host_slots = 0;
  int64_t* totals = nullptr;  // [kHotTotals]: pages of lists that were hot, were fetched, and were read in the host
};

/// HotPages::block_bytes for a layout: the largest layer, to whole lines.
int64_t hot_block_bytes(const KvLayout& layout);
/// Bytes of one more block of every layer and KV head, and what is kept for it beside.
int64_t hot_page_bytes(const KvLayout& layout);
/// HotPages::num_blocks for so many pages wanted: whole sets, no more than wanted but at least one; 0 for 0.
int64_t whole_hot_sets(int64_t pages);
/// Slots of lists are 32 bits. Throws ConfigError where those of the device, of the host and hot blocks are more.
void check_hot_slots(int64_t num_slots, int64_t num_host_slots, int64_t num_blocks);

/// What a buffer of hot pages is made for.
struct HotSizes {
  int64_t num_pages = 0;       // wanted; whole_hot_sets() of them are there
  int64_t num_host_slots = 0;  // whose pages may be hot
  int64_t max_lists = 0;       // rows × KV heads of a batch, at most
  int64_t list_capacity = 0;   // pages of a list, at most
};
/// Device memory of everything that dist/model/hot_buffer.h allocates: blocks and what is kept beside them, of host
/// slots, and lists. 0 without pages.
int64_t hot_buffer_bytes(const KvLayout& layout, const HotSizes& sizes);

/// Where the pages of lists lie now: [num_rows][num_kv_heads][capacity] as PageSelection::pages, on the context's
/// device. A slot from num_slots + num_host_slots on is a hot block of its list's KV head.
struct HotLists {
  int32_t* slots = nullptr;
  int32_t* sources = nullptr;  // scratch
};

/// Host slots are filled anew: copies of what they held are void. Enqueues on the context's stream.
void void_hot_pages(const OpContext& context, std::span<const int32_t> host_slots, const HotPages& hot);

/// Fetches what the layer's lists have in host memory and writes where all their pages lie. `is_hint`: nobody reads the
/// lists, a later call for this layer may; then only blocks are taken that the last call did not read.
/// Calls for one layer, and void_hot_pages(), follow one another on streams that are ordered.
/// Async: enqueues on the context's stream. Ranks: local. Throws: ShapeError; Error on a CPU or without a buffer.
void fetch_hot_pages(const OpContext& context, const RaggedRows& rows, int64_t layer, const KvPages& pages,
                     const PageSelection& selection, const HotPages& hot, const HotLists& lists, bool is_hint);

}  // namespace lockstep
