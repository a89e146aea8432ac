#include "kernels/backends.h"
#include "kernels/cpu/address.h"
#include "kernels/cpu/rows/row_ops.h"

namespace lockstep::cpu {

void swiglu(const OpContext& context, ConstTensorView gate_up, TensorView out) {
  const RowOps& ops = row_ops(context.isa);
  const int64_t ffn = out.size(1);
  context.threads->parallel_for(out.size(0), rows_per_piece(ffn), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const float* gate = float_row_at(gate_up, r);
      ops.swiglu(gate, gate + ffn, row_at(out, r), out.dtype(), ffn);
    }
  });
}

}  // namespace lockstep::cpu
