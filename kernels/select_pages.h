// Which pages a token of a long sequence reads: for every KV head those that its queries are likely to find most in,
// told from the pages' summaries. The step before paged_attention() where decoding is sparse.
//
// Invariant (D0): a list is a function of (q, summaries, position, rule) alone: the same for every batch, thread count,
// instruction-set level, place of pages, and on CPU and CUDA for the same q. Sums have one order or are of integers.
#pragma once

#include "core/tensor_view.h"
#include "kernels/context.h"
#include "kernels/paged_attention.h"

#include <cstdint>

namespace lockstep {

/// How many pages a token reads. "Candidates" are the pages that its window overlaps, all of its sequence without one.
struct SparseRule {
  /// Share of the candidates that is read at most, in (0, 1], rounded down; 1: all of them.
  double ratio = 1.0;
  /// Tokens that see fewer positions than this read all pages.
  int64_t dense_below = 2048;
  /// Layers below this number read all pages. On examples/models/recall with pages of 64 tokens and a ratio of 0.1,
  /// layer 1 alone lost half of the answers, layers 2 and 3 none.
  int64_t dense_layers = 2;
  /// Read whatever their score: the first pages of the sequence, and the last ones before the token's own page. Its own
  /// page is always read.
  int64_t sink_pages = 1;
  int64_t recent_pages = 2;
  /// Pages that are read at least, if there are as many; goes before `ratio`.
  int64_t least_pages = 8;
  /// Of the estimated probability (e^s over its sum, a mean over the query heads) outside the pages read anyway, the
  /// share behind which no more pages are taken, in (0, 1]. 1: as many pages as `ratio` allows.
  double mass = 1.0;

  bool operator==(const SparseRule&) const = default;
};

/// Most pages that a list of a token with `candidates` pages holds: max(least_pages and the pages read anyway,
/// floor(ratio * candidates)), at most `candidates`.
int64_t most_selected_pages(const SparseRule& rule, int64_t candidates);

/// Sums over the lists asked for, of all calls since they were zeroed; 64-bit integers, so that their order is free.
struct SelectionTotals {
  int64_t lists = 0;        // (row, KV head) with a list
  int64_t dense_lists = 0;  // asked for, but all pages are read: a dense layer, a short row, or few pages
  // Of dense_lists those behind rule.dense_layers, where the row was too short for the rule: fewer positions than
  // dense_below, or no more pages than are read at least. Rows count in layer dense_layers, the first that has lists.
  int64_t fallback_lists = 0;
  int64_t fallback_rows = 0;
  int64_t pages_read = 0;   // of lists and dense lists
  int64_t pages_there = 0;  // candidates of the same
  int64_t mass = 0;         // Σ over lists: estimated probability of the listed pages, the own page left out; 2^-20
};

/// Where lists go: as PageSelection has them, in memory of the context's device. Entries behind a list's count, and all
/// of a row that has none, are not written.
struct SelectionLists {
  int64_t capacity = 0;
  int32_t* pages = nullptr;           // [num_rows][num_kv_heads][capacity]
  int32_t* counts = nullptr;          // [num_rows][num_kv_heads]
  SelectionTotals* totals = nullptr;  // added to; null: not counted

  PageSelection view() const { return {capacity, pages, counts}; }
};

/// Writes for every row of rows.is_sparse and every KV head the pages that its token reads; for all other rows the
/// count -1 (all pages). The token's own keys must have been written, and pages filled before it sealed.
/// A page's estimate for a query is s = scale * q · mean + ½ Σ (scale * q * deviation)², the logarithm of the mean of
/// e^score were scores normal and channels independent. A page ranks by the highest standing that it has for a query
/// head of the group: its estimate's distance from the mean of all candidates but the own page, in their standard
/// deviations; of equals the lower page comes first. An estimate that is not a number counts as infinite.
/// Shapes: q [num_tokens, heads, head_dim] F32, token stride free. The candidates' entries of KvPages::summaries must
/// have been written (kernels/page_summaries.h); the pages themselves are not read and may lie anywhere. Async:
/// enqueues on the context's stream. CUDA: rows.max_end bounds the rows' positions. Ranks: local. Throws: ShapeError,
/// DTypeError, ConfigError for a rule outside its ranges; Error without a table. Cost: 3 bytes a channel and page,
/// about 4 * head_dim FLOP a page and query head. Source: after Tang et al. 2024 (Quest): pages by query; mean and
/// deviation in place of extremes.
void select_pages(const OpContext& context, ConstTensorView q, const RaggedRows& rows, int64_t layer,
                  const KvPages& pages, float scale, int64_t window, const SparseRule& rule,
                  const SelectionLists& lists);

}  // namespace lockstep
