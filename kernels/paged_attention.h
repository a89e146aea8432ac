// Causal attention over paged keys and values: prefill chunks and single decode tokens of many sequences in one call.
//
// Invariant (D0): the output of a query token is a function of (q, keys and values up to its position, window): the
// same bits for every chunking, batch, thread count and place of pages. Keys are walked in ascending position, page by
// page.
#pragma once

#include "core/tensor_view.h"
#include "kernels/context.h"
#include "kernels/kv_layout.h"

#include <cstddef>
#include <cstdint>

namespace lockstep {

/// CUDA: positions whose keys are summed up together before the sums are; the grid of single tokens has a block for
/// each such span, for a power of two of them.
inline constexpr int64_t kAttentionSpanTokens = 512;

/// The pages of one rank: slot s starts at base + s * layout.page_bytes(). Where there is a host_base, that holds for s
/// below num_slots, and slot num_slots + h is host slot h: sealed pages that only attention, index_pages() and
/// select_pages() (its summary) may be given. What writes pages never sees such slots. kernels/page_places.h finds
/// both.
struct KvPages {
  std::byte* base = nullptr;
  KvLayout layout;
  /// Coded formats: pages that are being written, of the same shape in the model's dtype.
  std::byte* open_base = nullptr;

  /// Slots at `base`; not read without a host_base.
  int64_t num_slots = 0;
  /// Memory of the host that the device reads where it lies (pinned, mapped), of cache/transfer/host_pool.h: a multiple
  /// of 16 bytes, as are the strides. Head h of host slot s starts at host_base + s * host_slot_bytes + h *
  /// host_head_stride; within it a layer lies where layout.k_block(0, layer) says. Null: there are no host slots.
  const std::byte* host_base = nullptr;
  int64_t host_slot_bytes = 0, host_head_stride = 0;

  /// Device copies of blocks of host slots (kernels/hot_pages.h): slot num_slots + num_host_slots + b is block b of the
  /// layer and KV head that a list is of. Null: there are none.
  const std::byte* hot_base = nullptr;
  int64_t num_host_slots = 0, hot_blocks = 0, hot_block_bytes = 0;

  /// The table that select_pages() reads (kernels/page_summaries.h): [layer][KV head][entry], entry s being slot s,
  /// host slots among them. num_summaries: entries of one layer and head. Null: no sparse attention.
  std::byte* summaries = nullptr;
  int64_t num_summaries = 0;

  KvLayout open_layout() const {
    KvLayout open = layout;
    open.format = KvFormat::kFull;
    open.wide_keys = {};
    return open;
  }
};

/// A ragged batch. Arrays live on the context's device; row r holds query tokens [token_begin[r], token_begin[r+1]) at
/// positions first_position[r], +1, …; its pages are slots[page_begin[r] … page_begin[r+1]), position p in page p /
/// page_tokens. Where the layout splits first pages, page 0 has two entries (keys, values) and every other one more
/// than its number.
/// Coded formats: pages first_position[r] / page_tokens and up, those that the row writes to, are also open:
/// open_slots[open_begin[r] …] of KvPages::open_base.
struct RaggedRows {
  int64_t num_rows = 0;
  int64_t num_tokens = 0;
  const int32_t* token_begin = nullptr;     // [num_rows + 1]
  const int32_t* first_position = nullptr;  // [num_rows]
  const int32_t* page_begin = nullptr;      // [num_rows + 1]
  const int32_t* slots = nullptr;           // [page_begin[num_rows]]
  const int32_t* open_begin = nullptr;      // [num_rows + 1], coded formats only
  const int32_t* open_slots = nullptr;      // [open_begin[num_rows]]
  // 1: a row of one token that may leave pages out, 0: it reads all (kernels/select_pages.h). Null: no row may.
  const int32_t* is_sparse = nullptr;  // [num_rows]
  // For CUDA, whose arrays the host cannot read; the CPU's bodies do without. A row without pages (page_begin equal to
  // the next) is padding: its tokens are neither stored nor attended, their output is zero.
  const int32_t* token_row = nullptr;  // [num_tokens], the row of each token
  int64_t num_single_rows = 0;         // rows of exactly one token
  int64_t max_row_tokens = 0;          // most tokens of a row
  int64_t max_end = 0;                 // most positions of a row: first_position + tokens
};

/// Pages that each row reads, for sparse attention. Arrays live on the context's device.
struct PageSelection {
  int64_t capacity = 0;             // entries of a list
  const int32_t* pages = nullptr;   // [num_rows][num_kv_heads][capacity], ascending page numbers of the sequence
  const int32_t* counts = nullptr;  // [num_rows][num_kv_heads]; -1: all pages. Lists are for rows of one token
  // CUDA: where a listed page lies, in the place of its number in `pages`; of a first page in two slots, its keys.
  // Null: where the row's table says.
  const int32_t* slots = nullptr;
};

/// Stores k and v of the batch's tokens into their pages, rounding F32 to the dtype: for coded formats the open pages.
/// Shapes: k, v [num_tokens, num_kv_heads, head_dim] F32, token stride free.
/// Ranks: local. Throws: ShapeError, DTypeError.
void write_kv(const OpContext& context, ConstTensorView k, ConstTensorView v, const RaggedRows& rows, int64_t layer,
              const KvPages& pages);

/// out[t, h] = softmax(scale * q[t, h] · K) · V over positions (p - window, p] of the token's sequence (window 0: [0,
/// p]). The batch's own keys and values must have been written, and the pages it fills sealed: a query reads the page
/// of its own position as it was written and the pages before that as they were sealed. With a selection, rows with a
/// list see of these positions those of their listed pages alone, their own page always among them. Query head h reads
/// KV head h / (heads / num_kv_heads). Shapes: q [num_tokens, heads, head_dim] F32, token stride free; out [num_tokens,
/// heads * head_dim] F32, F16 or BF16. Softmax and sums in F32 (online, one rescale per page). Any head size, any group
/// size, any page size; multiples of 16 tokens and of 16 dimensions are fast. CPU levels with AVX512_BF16 round q to
/// BF16 for BF16 pages; their probabilities stay F32. CUDA: 16-bit pages of 64, 96, 128 or 256 dimensions and multiples
/// of 16 tokens go through tensor cores, which round q and the probabilities to the page type, and what codes stand
/// for; all others keep F32. CPU, coded pages: scores and weights are products of codes and whole numbers
/// (kernels/cpu/attention/coded_page.h). Memory of a page at positions not yet written may hold anything. Ranks: local.
/// Throws: ShapeError, DTypeError. Source: Milakov & Gimelshein 2018; Kwon et al. 2023.
void paged_attention(const OpContext& context, ConstTensorView q, const RaggedRows& rows, int64_t layer,
                     const KvPages& pages, float scale, int64_t window, TensorView out,
                     const PageSelection* selection = nullptr);

}  // namespace lockstep
