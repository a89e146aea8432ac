#include "kernels/backends.h"
#include "kernels/cpu/address.h"
#include "kernels/cpu/rows/row_ops.h"

namespace lockstep::cpu {

void rope(const OpContext& context, TensorView x, ConstTensorView positions, const RopeTable& table) {
  const RowOps& ops = row_ops(context.isa);
  const int32_t* at = positions.as<int32_t>();
  const int64_t heads = x.size(1), head_dim = x.size(2), num_positions = table.cos.size(0);
  context.threads->parallel_for(x.size(0), rows_per_piece(heads * head_dim), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const int64_t position = at[t * positions.stride(0)];
      LS_REQUIRE(ShapeError, position >= 0 && position < num_positions, "rope: position {} of token {} outside [0, {})",
                 position, t, num_positions);
      const float* cos = float_row_at(table.cos, position);
      const float* sin = float_row_at(table.sin, position);
      float* row = float_row_at(x, t);
      for (int64_t h = 0; h < heads; ++h) ops.rope(row + h * head_dim, cos, sin, head_dim / 2);
    }
  });
}

void rope_and_write_kv(const OpContext& context, TensorView q, TensorView k, ConstTensorView v,
                       ConstTensorView positions, const RopeTable& table, const RaggedRows& rows, int64_t layer,
                       const KvPages& pages) {
  cpu::rope(context, q, positions, table);
  cpu::rope(context, k, positions, table);
  cpu::write_kv(context, k, v, rows, layer, pages);
}

}  // namespace lockstep::cpu
