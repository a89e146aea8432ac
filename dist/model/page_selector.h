// Memory for the lists of pages that sparse rows read, and the step that fills them. Part of the decoder.
#pragma once

#include "core/buffer.h"
#include "dist/model/hot_buffer.h"
#include "dist/model/sparse_layers.h"
#include "kernels/context.h"
#include "kernels/select_pages.h"

#include <cstdint>

namespace lockstep {

/// Not thread-safe.
class PageSelector {
 public:
  /// For batches of up to `max_rows` rows and sequences of up to `max_pages` pages.
  PageSelector(const OpContext& context, const SparseLayers& rules, const KvLayout& layout, int64_t max_rows,
               int64_t max_pages);

  /// Lists' pages in host memory are fetched into it from here on. A view; null: they are read where they lie.
  void use_hot_buffer(HotBuffer* hot) { hot_ = hot; }
  /// Pages that the batch's sparse rows read in this layer; valid until the next call. Ranks: local.
  PageSelection select(ConstTensorView q, const RaggedRows& rows, int64_t layer, const KvPages& pages, float scale,
                       int64_t window);
  /// Sums over all calls so far, of this rank. Waits for the context's stream.
  SelectionTotals totals() const;
  /// Pages of a list, at most.
  int64_t capacity() const { return capacity_; }

 private:
  OpContext context_;
  SparseLayers rules_;
  int64_t max_rows_, capacity_;
  HotBuffer* hot_ = nullptr;
  Buffer pages_, counts_, totals_;
};

}  // namespace lockstep
