#include "kernels/select_pages.h"

#include "kernels/backends.h"
#include "kernels/check.h"
#include "kernels/cuda_api.h"
#include "kernels/page_ranking.h"

namespace lockstep {
namespace {

void check_rule(const SparseRule& rule) {
  LS_REQUIRE(ConfigError, rule.ratio > 0.0 && rule.ratio <= 1.0,
             "select_pages: ratio is {}; accepted: above 0, at most 1", rule.ratio);
  LS_REQUIRE(ConfigError, rule.mass > 0.0 && rule.mass <= 1.0, "select_pages: mass is {}; accepted: above 0, at most 1",
             rule.mass);
  LS_REQUIRE(ConfigError,
             rule.dense_below >= 0 && rule.dense_layers >= 0 && rule.sink_pages >= 0 && rule.recent_pages >= 0 &&
                 rule.least_pages >= 0,
             "select_pages: {} tokens and {} layers dense, {} first, {} recent and at least {} pages; none may be "
             "negative",
             rule.dense_below, rule.dense_layers, rule.sink_pages, rule.recent_pages, rule.least_pages);
}

void check_pages(const KvPages& pages, int64_t layer) {
  const KvLayout& layout = pages.layout;
  LS_REQUIRE(ShapeError, layout.page_tokens > 0 && layout.num_kv_heads > 0 && layout.head_dim > 0,
             "select_pages: pages of {} tokens, {} heads of {} dimensions", layout.page_tokens, layout.num_kv_heads,
             layout.head_dim);
  LS_REQUIRE(ShapeError, layer >= 0 && layer < layout.num_layers, "select_pages: layer {} of {}", layer,
             layout.num_layers);
  LS_CHECK(pages.summaries != nullptr && pages.num_summaries > 0, "select_pages: the pages have no table of summaries");
}

}  // namespace

int64_t most_selected_pages(const SparseRule& rule, int64_t candidates) {
  return page_ranking::most_pages(rule, candidates);
}

void select_pages(const OpContext& context, ConstTensorView q, const RaggedRows& rows, int64_t layer,
                  const KvPages& pages, float scale, int64_t window, const SparseRule& rule,
                  const SelectionLists& lists) {
  check_context("select_pages", context);
  check_rule(rule);
  check_pages(pages, layer);
  const KvLayout& layout = pages.layout;
  check_shape("select_pages", "q", q, {rows.num_tokens, -1, layout.head_dim});
  LS_REQUIRE(ShapeError, q.size(1) > 0 && q.size(1) % layout.num_kv_heads == 0,
             "select_pages: {} query heads are no multiple of {} key/value heads", q.size(1), layout.num_kv_heads);
  check_dtype("select_pages", "q", q, {DType::kF32});
  check_dense_rows("select_pages", "q", q);
  check_device("select_pages", "q", q, context);
  LS_REQUIRE(ShapeError, window >= 0, "select_pages: window {} is negative; 0 means all positions", window);
  if (rows.num_rows == 0) return;
  LS_CHECK(lists.counts != nullptr && (rows.is_sparse == nullptr || lists.capacity == 0 || lists.pages != nullptr),
           "select_pages: no memory for the lists of {} rows", rows.num_rows);
  switch (context.device.kind) {
    case DeviceKind::kCpu: return cpu::select_pages(context, q, rows, layer, pages, scale, window, rule, lists);
    case DeviceKind::kCuda:
      return cuda_kernels().select_pages(context, q, rows, layer, pages, scale, window, rule, lists);
  }
}

}  // namespace lockstep
