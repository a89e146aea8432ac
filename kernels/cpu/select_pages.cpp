#include "kernels/backends.h"
#include "kernels/cpu/address.h"
#include "kernels/cpu/selection/choose.h"
#include "kernels/cpu/selection/estimate.h"
#include "kernels/page_summaries.h"

#include <algorithm>
#include <atomic>
#include <vector>

namespace lockstep::cpu {
namespace {

using page_ranking::Candidates;

EstimatePagesFn* estimate_function(CpuIsa isa) {
  if (isa >= CpuIsa::kAvx512) return estimate_pages_avx512;
  return isa == CpuIsa::kAvx2 ? estimate_pages_avx2 : estimate_pages_scalar;
}

struct Scratch {
  std::vector<float> queries, estimates;
  std::vector<int32_t> slots;
  ChoiceScratch choice;
};

/// One layer's call: what all rows and heads share.
struct Selection {
  ConstTensorView q;
  const RaggedRows& rows;
  int64_t layer;
  const KvPages& pages;
  float scale;
  const SparseRule& rule;
  const SelectionLists& lists;
  EstimatePagesFn* estimate;

  int64_t group() const { return q.size(1) / pages.layout.num_kv_heads; }

  /// The list of a row and KV head.
  Choice choose(int64_t row, int64_t head, const Candidates& candidates, Scratch& scratch) const {
    EstimateRun run;
    run.entries = summary_entries(pages, layer, head);
    run.entry_bytes = summary_entry_bytes(pages.layout);
    run.channels = summary_channels(pages.layout);
    run.group = group();
    scale_queries(row, head, run, scratch);
    run.num_pages = run.out_stride = candidates.own - candidates.first;
    scratch.estimates.resize(static_cast<size_t>(run.group * run.out_stride));
    run.out = scratch.estimates.data();
    run.slots = entries_of(row, candidates.first, scratch);
    estimate(run);
    int32_t* const list = lists.pages + (row * pages.layout.num_kv_heads + head) * lists.capacity;
    return choose_pages(rule, candidates, scratch.estimates.data(), run.group, run.out_stride, list, scratch.choice);
  }

 private:
  void scale_queries(int64_t row, int64_t head, EstimateRun& run, Scratch& scratch) const {
    const int64_t head_dim = pages.layout.head_dim;
    scratch.queries.assign(static_cast<size_t>(2 * run.group * run.channels), 0.0F);
    float* const scaled = scratch.queries.data();
    float* const half_squares = scaled + run.group * run.channels;
    const float* from = float_row_at(q, rows.token_begin[row]) + head * run.group * head_dim;
    for (int64_t g = 0; g < run.group; ++g) {
      for (int64_t i = 0; i < head_dim; ++i) {
        const float value = scale * from[g * head_dim + i];
        scaled[g * run.channels + i] = value;
        half_squares[g * run.channels + i] = 0.5F * (value * value);
      }
    }
    run.q = scaled;
    run.half_squares = half_squares;
  }

  /// Entries of the row's pages from `first` on.
  const int32_t* entries_of(int64_t row, int64_t first, Scratch& scratch) const {
    const int32_t* slots = rows.slots + rows.page_begin[row];
    if (!pages.layout.splits_first_page()) return slots + first;
    if (first > 0) return slots + first + 1;
    const int64_t count = rows.page_begin[row + 1] - rows.page_begin[row];
    scratch.slots.assign(slots + 1, slots + count);  // page 0 has a second slot, without an entry
    scratch.slots[0] = slots[0];
    return scratch.slots.data();
  }
};

void check_row(const RaggedRows& rows, int64_t row, const Candidates& candidates, const Selection& selection) {
  const int64_t tokens = rows.token_begin[row + 1] - rows.token_begin[row];
  LS_REQUIRE(ShapeError, tokens == 1, "select_pages: row {} has {} tokens; sparse rows have one", row, tokens);
  const int64_t entries = rows.page_begin[row + 1] - rows.page_begin[row];
  const int64_t held = entries - (selection.pages.layout.splits_first_page() ? 1 : 0);
  LS_REQUIRE(ShapeError, rows.first_position[row] >= 0 && candidates.own < held,
             "select_pages: row {} stands at position {}, in page {} of {}", row, rows.first_position[row],
             candidates.own, held);
  LS_REQUIRE(ShapeError, candidates.reads_all || candidates.most <= selection.lists.capacity,
             "select_pages: row {} needs lists of {} pages, they hold {}", row, candidates.most,
             selection.lists.capacity);
}

/// Adds from many threads; whole numbers come to the same in every order.
void add(int64_t& total, int64_t amount) { std::atomic_ref(total).fetch_add(amount, std::memory_order_relaxed); }

void count_list(SelectionTotals* totals, const Candidates& candidates, const Choice& choice) {
  if (totals == nullptr) return;
  add(totals->lists, 1);
  add(totals->pages_there, candidates.count());
  add(totals->pages_read, choice.count);
  add(totals->mass, static_cast<int64_t>(choice.share >> (page_ranking::kFractionBits - 20)));
}

/// A row of which all pages are read, for all KV heads. One thread.
void count_dense_row(SelectionTotals* totals, const Candidates& candidates, const Selection& selection) {
  if (totals == nullptr) return;
  const int64_t num_heads = selection.pages.layout.num_kv_heads;
  totals->dense_lists += num_heads;
  totals->pages_there += num_heads * candidates.count();
  totals->pages_read += num_heads * candidates.count();
  if (selection.layer >= selection.rule.dense_layers) totals->fallback_lists += num_heads;
  if (selection.layer == selection.rule.dense_layers) totals->fallback_rows += 1;
}

}  // namespace

void select_pages(const OpContext& context, ConstTensorView q, const RaggedRows& rows, int64_t layer,
                  const KvPages& pages, float scale, int64_t window, const SparseRule& rule,
                  const SelectionLists& lists) {
  const int64_t num_heads = pages.layout.num_kv_heads;
  std::fill_n(lists.counts, rows.num_rows * num_heads, -1);
  if (rows.is_sparse == nullptr) return;
  const Selection selection{q, rows, layer, pages, scale, rule, lists, estimate_function(context.isa)};
  std::vector<std::pair<int64_t, Candidates>> sparse;
  for (int64_t row = 0; row < rows.num_rows; ++row) {
    if (rows.is_sparse[row] == 0) continue;
    const Candidates candidates =
        page_ranking::candidates_of(rule, layer, rows.first_position[row], window, pages.layout.page_tokens);
    check_row(rows, row, candidates, selection);
    if (candidates.reads_all) {
      count_dense_row(lists.totals, candidates, selection);
    } else {
      sparse.emplace_back(row, candidates);
    }
  }
  context.threads->parallel_for(static_cast<int64_t>(sparse.size()) * num_heads, 1, [&](int64_t begin, int64_t end) {
    thread_local Scratch scratch;
    for (int64_t task = begin; task < end; ++task) {
      const auto& [row, candidates] = sparse[static_cast<size_t>(task / num_heads)];
      const int64_t head = task % num_heads;
      const Choice choice = selection.choose(row, head, candidates, scratch);
      lists.counts[row * num_heads + head] = static_cast<int32_t>(choice.count);
      count_list(lists.totals, candidates, choice);
    }
  });
}

}  // namespace lockstep::cpu
