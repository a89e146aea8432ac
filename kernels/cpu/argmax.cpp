#include "kernels/backends.h"
#include "kernels/cpu/address.h"
#include "kernels/cpu/rows/row_ops.h"

namespace lockstep::cpu {

void argmax_rows(const OpContext& context, ConstTensorView logits, int64_t vocab_begin, std::span<ArgmaxResult> out) {
  const RowOps& ops = row_ops(context.isa);
  context.threads->parallel_for(logits.size(0), 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const float* row = float_row_at(logits, r);
      const int64_t index = ops.argmax(row, logits.size(1));
      out[static_cast<size_t>(r)] = {row[index], TokenId(static_cast<int32_t>(vocab_begin + index))};
    }
  });
}

}  // namespace lockstep::cpu
