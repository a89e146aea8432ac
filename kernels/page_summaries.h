// The table of pages' summaries: what select_pages() reads, apart from the pages, so that a token looks through
// thousands of them in consecutive memory.
//
// [layer][KV head][entry], an entry being mean F16 [D] and standard deviation [D] of every channel of a page's keys,
// the latter a byte, the nearest scale_of_code() of kernels/kv_codes.h (never 0, at least 2^-20). D is head_dim rounded
// up to 16, with zeros behind; an entry is whole cache lines. Entry s belongs to slot s; a first page of two slots has
// that of its keys'.
//
// Invariant (D0): an entry is a function of what its page holds (the metadata of its codes; kFull: its summary), the
// same bits on every instruction-set level and on CUDA, whether seal_pages() wrote it or index_pages() did.
#pragma once

#include "kernels/context.h"
#include "kernels/kv_layout.h"
#include "kernels/paged_attention.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace lockstep {

/// Channels of an entry: whole vectors of every instruction-set level.
inline int64_t summary_channels(const KvLayout& layout) { return (layout.head_dim + 15) / 16 * 16; }
/// Bytes of an entry; its deviations stand behind 2 * summary_channels() bytes of means.
inline int64_t summary_entry_bytes(const KvLayout& layout) { return (3 * summary_channels(layout) + 63) / 64 * 64; }
/// Bytes that a slot adds to the table: its entries of all layers and heads.
inline int64_t summary_slot_bytes(const KvLayout& layout) {
  return summary_entry_bytes(layout) * layout.num_layers * layout.num_kv_heads;
}
/// Entry 0 of (layer, head).
inline std::byte* summary_entries(const KvPages& pages, int64_t layer, int64_t head) {
  const KvLayout& layout = pages.layout;
  return pages.summaries + (layer * layout.num_kv_heads + head) * pages.num_summaries * summary_entry_bytes(layout);
}

/// A sealed page whose entry is to be written. The keys of a first page of two slots have 8 bits, whatever the layer's.
struct IndexedPage {
  int32_t slot = 0;  // of its keys
  bool is_first = false;
};

/// Writes one layer's entries of sealed pages, those of host slots among them, from what the pages hold: for pages that
/// came from another tier; seal_pages() writes those of the pages that it seals. `list` lies in host memory and is read
/// before the call returns.
/// Async: enqueues on the context's stream. Ranks: local. Throws: ShapeError; Error without a table.
void index_pages(const OpContext& context, std::span<const IndexedPage> list, int64_t layer, const KvPages& pages);

}  // namespace lockstep
