#include "kernels/backends.h"
#include "kernels/cpu/address.h"
#include "kernels/cpu/rows/row_ops.h"

#include <algorithm>

namespace lockstep::cpu {

void embedding(const OpContext& context, ConstTensorView ids, ConstTensorView table, int64_t vocab_begin,
               TensorView out) {
  const RowOps& ops = row_ops(context.isa);
  const int32_t* tokens = ids.as<int32_t>();
  const int64_t hidden = out.size(1);
  context.threads->parallel_for(out.size(0), rows_per_piece(hidden), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      float* row = float_row_at(out, t);
      const int64_t index = tokens[t * ids.stride(0)] - vocab_begin;
      if (index >= 0 && index < table.size(0)) {
        ops.widen(row_at(table, index), table.dtype(), row, hidden);
      } else {
        std::fill_n(row, hidden, -0.0F);
      }
    }
  });
}

}  // namespace lockstep::cpu
