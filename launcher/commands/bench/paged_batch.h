// A ragged batch over paged keys and values, made up for measurements: equal rows, each with pages of its own.
#pragma once

#include "kernels/paged_attention.h"
#include "launcher/commands/bench/device_data.h"

#include <cstdint>

namespace lockstep::bench {

class PagedBatch {
 public:
  /// `num_rows` rows of `tokens` new tokens that end at `context` positions. Pages lie scattered, as in a cache that
  /// has been used, and are filled with random values. Throws OutOfMemory.
  PagedBatch(const OpContext& context, const KvLayout& layout, int64_t num_rows, int64_t tokens,
             int64_t context_tokens);

  const RaggedRows& rows() const { return rows_; }
  const KvPages& pages() const { return pages_; }
  ConstTensorView positions() const { return positions_.view; }

 private:
  RaggedRows rows_;
  KvPages pages_;
  Buffer memory_;
  DeviceTensor positions_, token_begin_, first_position_, page_begin_, slots_, token_row_;
};

}  // namespace lockstep::bench
