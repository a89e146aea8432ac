#include "kernels/paged_attention.h"

#include "kernels/backends.h"
#include "kernels/check.h"
#include "kernels/cuda_api.h"

#include <algorithm>

namespace lockstep {
namespace {

void check_pages(const char* op, const RaggedRows& rows, int64_t layer, const KvPages& pages) {
  const KvLayout& layout = pages.layout;
  LS_REQUIRE(ShapeError, layout.page_tokens > 0 && layout.num_kv_heads > 0 && layout.head_dim > 0,
             "{}: pages of {} tokens, {} heads of {} dimensions", op, layout.page_tokens, layout.num_kv_heads,
             layout.head_dim);
  LS_REQUIRE(ShapeError, layer >= 0 && layer < layout.num_layers, "{}: layer {} of {}", op, layer, layout.num_layers);
  LS_REQUIRE(ShapeError, rows.num_rows >= 0 && rows.num_tokens >= 0, "{}: {} rows, {} tokens", op, rows.num_rows,
             rows.num_tokens);
  LS_REQUIRE(ShapeError, !layout.is_coded() || layout.page_tokens % 16 == 0,
             "{}: coded pages of {} tokens; a multiple of 16 is needed", op, layout.page_tokens);
  LS_CHECK(!layout.is_coded() || rows.num_tokens == 0 ||
               (pages.open_base != nullptr && rows.open_begin != nullptr && rows.open_slots != nullptr),
           "{}: a batch of {} tokens over coded pages lacks its open pages", op, rows.num_tokens);
  if (layout.dtype == DType::kI32) throw_not_floating(layout.dtype);
}

void check_device_arrays(const char* op, const RaggedRows& rows) {
  LS_CHECK(rows.num_tokens == 0 || (rows.token_begin != nullptr && rows.first_position != nullptr &&
                                    rows.page_begin != nullptr && rows.token_row != nullptr),
           "{}: a batch of {} tokens lacks one of its arrays", op, rows.num_tokens);
}

/// What the host says about a batch whose arrays it cannot read must fit together: kernels are launched by it.
void check_counts(const char* op, const RaggedRows& rows) {
  const int64_t most_tokens = rows.num_single_rows + (rows.num_rows - rows.num_single_rows) * rows.max_row_tokens;
  LS_REQUIRE(ShapeError,
             rows.num_single_rows >= 0 && rows.num_single_rows <= std::min(rows.num_rows, rows.num_tokens) &&
                 rows.num_tokens <= most_tokens,
             "{}: {} tokens in {} rows, {} of them of one token, the others of at most {}", op, rows.num_tokens,
             rows.num_rows, rows.num_single_rows, rows.max_row_tokens);
  LS_REQUIRE(ShapeError, rows.max_end >= 0, "{}: {} positions", op, rows.max_end);
}

}  // namespace

void write_kv(const OpContext& context, ConstTensorView k, ConstTensorView v, const RaggedRows& rows, int64_t layer,
              const KvPages& pages) {
  check_context("write_kv", context);
  check_pages("write_kv", rows, layer, pages);
  const KvLayout& layout = pages.layout;
  check_shape("write_kv", "k", k, {rows.num_tokens, layout.num_kv_heads, layout.head_dim});
  check_shape("write_kv", "v", v, {rows.num_tokens, layout.num_kv_heads, layout.head_dim});
  check_dtype("write_kv", "k", k, {DType::kF32});
  check_dtype("write_kv", "v", v, {DType::kF32});
  check_dense_rows("write_kv", "k", k);
  check_dense_rows("write_kv", "v", v);
  check_device("write_kv", "k", k, context);
  check_device("write_kv", "v", v, context);
  switch (context.device.kind) {
    case DeviceKind::kCpu: return cpu::write_kv(context, k, v, rows, layer, pages);
    case DeviceKind::kCuda:
      check_device_arrays("write_kv", rows);
      return cuda_kernels().write_kv(context, k, v, rows, layer, pages);
  }
}

void paged_attention(const OpContext& context, ConstTensorView q, const RaggedRows& rows, int64_t layer,
                     const KvPages& pages, float scale, int64_t window, TensorView out,
                     const PageSelection* selection) {
  check_context("paged_attention", context);
  check_pages("paged_attention", rows, layer, pages);
  const KvLayout& layout = pages.layout;
  check_shape("paged_attention", "q", q, {rows.num_tokens, -1, layout.head_dim});
  LS_REQUIRE(ShapeError, q.size(1) > 0 && q.size(1) % layout.num_kv_heads == 0,
             "paged_attention: {} query heads are no multiple of {} key/value heads", q.size(1), layout.num_kv_heads);
  check_shape("paged_attention", "out", out, {rows.num_tokens, q.size(1) * layout.head_dim});
  check_dtype("paged_attention", "q", q, {DType::kF32});
  check_dtype("paged_attention", "out", out, kFloatingTypes);
  check_dense_rows("paged_attention", "q", q);
  check_device("paged_attention", "q", q, context);
  check_device("paged_attention", "out", out, context);
  LS_CHECK(
      selection == nullptr || rows.num_tokens == 0 || (selection->pages != nullptr && selection->counts != nullptr),
      "paged_attention: a selection lacks one of its arrays");
  LS_REQUIRE(ShapeError, window >= 0, "paged_attention: window {} is negative; 0 means all positions", window);
  switch (context.device.kind) {
    case DeviceKind::kCpu: return cpu::paged_attention(context, q, rows, layer, pages, scale, window, out, selection);
    case DeviceKind::kCuda:
      check_device_arrays("paged_attention", rows);
      check_counts("paged_attention", rows);
      return cuda_kernels().paged_attention(context, q, rows, layer, pages, scale, window, out, selection);
  }
}

}  // namespace lockstep
