#include "kernels/rope.h"

#include "kernels/backends.h"
#include "kernels/check.h"
#include "kernels/cuda_api.h"

namespace lockstep {
namespace {

void check_rotation(const char* op, const OpContext& context, const ConstTensorView& x,
                    const ConstTensorView& positions, const RopeTable& table) {
  check_shape(op, "x", x, {-1, -1, -1});
  LS_REQUIRE(ShapeError, x.size(2) % 2 == 0, "{}: head size {} is odd", op, x.size(2));
  check_shape(op, "positions", positions, {x.size(0)});
  check_shape(op, "cos", table.cos, {-1, x.size(2) / 2});
  check_shape(op, "sin", table.sin, {table.cos.size(0), x.size(2) / 2});
  check_dtype(op, "x", x, {DType::kF32});
  check_dtype(op, "positions", positions, {DType::kI32});
  check_dense_rows(op, "x", x);
  check_device(op, "x", x, context);
  check_device(op, "positions", positions, context);
  check_device(op, "cos", table.cos, context);
  check_device(op, "sin", table.sin, context);
}

}  // namespace

void rope(const OpContext& context, TensorView x, ConstTensorView positions, const RopeTable& table) {
  check_context("rope", context);
  check_rotation("rope", context, x, positions, table);
  switch (context.device.kind) {
    case DeviceKind::kCpu: return cpu::rope(context, x, positions, table);
    case DeviceKind::kCuda: return cuda_kernels().rope(context, x, positions, table);
  }
}

void rope_and_write_kv(const OpContext& context, TensorView q, TensorView k, ConstTensorView v,
                       ConstTensorView positions, const RopeTable& table, const RaggedRows& rows, int64_t layer,
                       const KvPages& pages) {
  constexpr const char* kOp = "rope_and_write_kv";
  check_context(kOp, context);
  check_rotation(kOp, context, q, positions, table);
  check_rotation(kOp, context, k, positions, table);
  const KvLayout& layout = pages.layout;
  LS_REQUIRE(ShapeError, layout.page_tokens > 0 && layout.num_kv_heads > 0 && layer >= 0 && layer < layout.num_layers,
             "{}: layer {} of {} of pages of {} tokens, {} heads", kOp, layer, layout.num_layers, layout.page_tokens,
             layout.num_kv_heads);
  check_shape(kOp, "k", k, {rows.num_tokens, layout.num_kv_heads, layout.head_dim});
  check_shape(kOp, "v", v, {rows.num_tokens, layout.num_kv_heads, layout.head_dim});
  check_dtype(kOp, "v", v, {DType::kF32});
  check_dense_rows(kOp, "v", v);
  check_device(kOp, "v", v, context);
  LS_CHECK(!layout.is_coded() || rows.num_tokens == 0 ||
               (pages.open_base != nullptr && rows.open_begin != nullptr && rows.open_slots != nullptr),
           "{}: a batch of {} tokens over coded pages lacks its open pages", kOp, rows.num_tokens);
  if (layout.dtype == DType::kI32) throw_not_floating(layout.dtype);
  switch (context.device.kind) {
    case DeviceKind::kCpu: return cpu::rope_and_write_kv(context, q, k, v, positions, table, rows, layer, pages);
    case DeviceKind::kCuda:
      return cuda_kernels().rope_and_write_kv(context, q, k, v, positions, table, rows, layer, pages);
  }
}

}  // namespace lockstep
