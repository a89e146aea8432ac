// The inputs of one forward pass as flat arrays: what a StepPlan's rows mean on this rank, in its device's memory.
#pragma once

#include "cache/page_table.h"
#include "cache/step_plan.h"
#include "core/buffer.h"
#include "core/pinned_buffer.h"
#include "core/stream.h"
#include "kernels/context.h"
#include "kernels/page_summaries.h"
#include "kernels/paged_attention.h"
#include "kernels/seal_pages.h"

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace lockstep {

/// Most of everything that a batch may hold; fixes where a CUDA batch's arrays lie.
struct BatchLimits {
  int64_t tokens = 0, rows = 0, pages = 0;  // pages: entries of all rows' page tables together
  int64_t filled_pages = 0;                 // of coded pages or pages with summaries: those that a step fills
};

/// What the batch must know of pages beside their table.
struct PageShape {
  int64_t page_tokens = 64;
  bool is_coded = false;           // pages are written in open slots
  bool splits_first_page = false;  // the first two entries of a page table are one page
  bool is_sparse = false;          // rows may attend sparsely
  bool is_sealed_by_step = false;  // pages that the step fills are sealed in it: coded ones, and those with summaries
};

/// Owns the arrays. Built anew each step; reuses its storage. Not thread-safe.
class ForwardBatch {
 public:
  /// For the CPU, without limits.
  explicit ForwardBatch(const PageShape& shape = {}) : shape_(shape) {}
  /// For `device`; on CUDA two page-locked staging areas and one array area of that size are allocated.
  ForwardBatch(Device device, const BatchLimits& limits, const PageShape& shape = {});

  /// Notes which pages the plan brings to the device, or leaves to the host to be read there, where sparse attention
  /// needs their summaries. `num_slots`: of the device. For every plan, with rows or without, in order and before
  /// assign().
  void follow(const StepPlan& plan, int64_t num_slots);
  /// Flattens the plan's rows, resolving page ids to this rank's slots. `padded_rows` above the plan's rows adds rows
  /// that compute nothing, for a plan of single tokens (is_decode()): a recorded graph serves every smaller batch.
  /// Throws Error if a page is not on the device.
  void assign(const StepPlan& plan, const PageTable& table, int64_t padded_rows = 0);
  /// Brings the arrays to the context's device. Tokens that the host does not know are taken from `sampled` [any] I32,
  /// what the last step sampled. Enqueues on the context's stream.
  void upload(const OpContext& context, ConstTensorView sampled);

  /// Padding included.
  int64_t num_tokens() const { return size(kIds); }
  ConstTensorView token_ids() const { return view(kIds, 0, size(kIds)); }
  ConstTensorView positions() const { return view(kPositions, 0, size(kPositions)); }
  RaggedRows rows() const;
  bool has_sparse_rows() const { return has_sparse_rows_; }
  /// Pages to be sealed behind the step's keys and values, padding included.
  FilledPages filled() const;
  /// Pages that came from another tier and are read by a batch for the first time: their entries are to be written once
  /// they are there, layer by layer (index_pages()). Host memory.
  std::span<const IndexedPage> arrived() const { return arrived_; }
  /// Of a batch whose arrived pages have their entries in all layers.
  void forget_arrived() { arrived_.clear(); }
  /// Index of the token whose logits are wanted, one per plan row with wants_logits, in row order; then one per row of
  /// padding. I32.
  ConstTensorView logit_tokens() const { return view(kLogitTokens, 0, size(kLogitTokens)); }
  /// Indices of the tokens whose logits score the token behind them, in row order; none of logit_tokens() is among
  /// them.
  int64_t num_scored_tokens() const { return size(kScoredTokens); }
  ConstTensorView scored_tokens(int64_t begin, int64_t end) const { return view(kScoredTokens, begin, end); }

  /// Whether every row of the plan is a single token whose logits are wanted.
  static bool is_decode(const StepPlan& plan);
  /// Raises rows().max_end, which a CUDA graph's launch is sized by.
  void bound_positions(int64_t max_end);

 private:
  enum Section : uint8_t {
    kIds,
    kSources,
    kPositions,
    kTokenRow,
    kTokenBegin,
    kFirstPosition,
    kPageBegin,
    kOpenBegin,
    kIsSparse,
    kLogitTokens,
    kFilledOpen,
    kFilledKeys,
    kFilledValues,
    kOpenSlots,
    kScoredTokens,
    kSlots,
    kNumSections
  };

  std::vector<int32_t>& host(Section section) { return arrays_[section]; }
  int64_t size(Section section) const { return static_cast<int64_t>(arrays_[section].size()); }
  const int32_t* data(Section section) const;
  ConstTensorView view(Section section, int64_t begin, int64_t end) const;
  void add_row(const PlanRow& row, const PageTable& table, int64_t first, int64_t end, bool is_sparse);
  void add_slots(const PlanRow& row, const PageTable& table, size_t num_pages);
  void add_filled(const PlanRow& row, const PageTable& table);
  void pad(int64_t num_rows);
  void place_sections();

  Device device_ = Device::cpu();
  PageShape shape_;
  std::array<std::vector<int32_t>, kNumSections> arrays_;
  std::array<int64_t, kNumSections + 1> offsets_{};  // of sections, in elements
  int64_t max_row_tokens_ = 0, num_single_rows_ = 0, max_end_ = 0;
  std::vector<IndexedPage> arrived_;
  std::vector<bool> lacks_summary_;  // by slot: the page came from another tier, and no batch has read it
  bool has_unknown_tokens_ = false, has_sparse_rows_ = false;

  // CUDA only. The host fills one staging area while the copy from the other may still run.
  Buffer memory_;
  std::array<PinnedBuffer, 2> staging_;
  std::array<Event, 2> copied_;
  size_t turn_ = 0;
};

}  // namespace lockstep
