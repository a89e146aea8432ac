// Memory for the hot pages of sparse decoding (kernels/hot_pages.h) and the stream on which they come ahead of use.
// Part of the decoder; for CUDA devices whose sequences keep pages in host memory.
#pragma once

#include "cache/step_plan.h"
#include "core/buffer.h"
#include "core/stream.h"
#include "kernels/hot_pages.h"

#include <cstdint>
#include <vector>

namespace lockstep {

/// Pages of lists, over all layers and KV heads, that lay in the host.
struct HotTotals {
  int64_t hits = 0;      // had a copy on the device
  int64_t fetched = 0;   // were copied for the call
  int64_t in_place = 0;  // found no room, and were read in the host
};

/// Not thread-safe.
class HotBuffer {
 public:
  /// Allocates hot_buffer_bytes(layout, sizes), for a device of `num_slots` slots. Throws: OutOfMemory; ConfigError for
  /// more slots than lists can name; Error for a CPU, or without pages or host slots.
  HotBuffer(const OpContext& context, const KvLayout& layout, int64_t num_slots, const HotSizes& sizes);

  /// Enqueues what the plan's ops mean: host slots that are filled anew. Before its computation.
  void follow(const StepPlan& plan);
  /// The selection, with its pages fetched; valid until the next call. Enqueues on the context's stream.
  PageSelection fetch(const RaggedRows& rows, int64_t layer, const KvPages& pages, const PageSelection& selection);
  /// What one layer selected the next may select too: begins to fetch it for `layer`, beside what the context's stream
  /// does next.
  void hint(const RaggedRows& rows, int64_t layer, const KvPages& pages, const PageSelection& selection);
  /// Before lists that a hint reads are written again.
  void join();

  /// For KvPages.
  const HotPages& pages() const { return pages_; }
  /// As allocated.
  int64_t bytes() const;
  /// Since the start. Waits for the context's stream.
  HotTotals totals() const;

 private:
  OpContext context_;
  Stream hint_stream_;
  OpContext hint_context_;
  Event selected_, hinted_;
  bool has_hint_ = false;
  Buffer blocks_, tags_, used_, calls_, launches_, claims_, fillings_, totals_, lists_;
  HotPages pages_;
  HotLists fetch_lists_, hint_lists_;
  std::vector<int32_t> filled_;
};

}  // namespace lockstep
