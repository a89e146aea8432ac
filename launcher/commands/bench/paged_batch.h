// A ragged batch over paged keys and values, made up for measurements: equal rows, each with pages of its own, sealed
// where the format or sparse attention wants that.
#pragma once

#include "kernels/paged_attention.h"
#include "kernels/seal_pages.h"
#include "launcher/commands/bench/device_data.h"

#include <cstdint>

namespace lockstep::bench {

class PagedBatch {
 public:
  /// `num_rows` rows of `tokens` new tokens that end at `context` positions. Pages lie scattered, as in a cache that
  /// has been used, and hold random values: for coded formats the open pages do, and every page is sealed from one of
  /// them. `has_table`: with entries in a table of summaries; kFull needs layout.has_summaries for it, and every row is
  /// sparse then. Throws OutOfMemory.
  PagedBatch(const OpContext& context, const KvLayout& layout, int64_t num_rows, int64_t tokens, int64_t context_tokens,
             bool has_table = false);

  const RaggedRows& rows() const { return rows_; }
  const KvPages& pages() const { return pages_; }
  ConstTensorView positions() const { return positions_.view; }
  /// All pages of all rows, as a step that fills them would seal them.
  const FilledPages& filled() const { return filled_; }

 private:
  void seal_all(const OpContext& context) const;

  RaggedRows rows_;
  KvPages pages_;
  FilledPages filled_;
  Buffer memory_, open_memory_, table_;
  DeviceTensor positions_, token_begin_, first_position_, page_begin_, slots_, token_row_, open_begin_, open_slots_,
      is_sparse_, seal_open_, seal_keys_, seal_values_;
};

/// Bytes of keys and values, scales included, that attention of one KV head reads at least for new tokens at positions
/// [first, end): pages before a token's own as sealed, its own as it is written. Of layer 0.
double attended_bytes(const KvLayout& layout, int64_t first, int64_t end);
/// The same for the last of `end` tokens if it reads `num_pages` of the pages, its own and the first among them.
double listed_bytes(const KvLayout& layout, int64_t num_pages, int64_t end);

}  // namespace lockstep::bench
