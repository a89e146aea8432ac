#include "kernels/backends.h"
#include "kernels/cpu/address.h"
#include "kernels/cpu/rows/row_ops.h"

namespace lockstep::cpu {

void rms_norm(const OpContext& context, ConstTensorView in, ConstTensorView weight, float eps, TensorView out) {
  const RowOps& ops = row_ops(context.isa);
  context.threads->parallel_for(in.size(0), rows_per_piece(in.size(1)), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      ops.rms_norm(float_row_at(in, r), weight.data(), weight.dtype(), eps, row_at(out, r), out.dtype(), in.size(1));
    }
  });
}

void add_rms_norm(const OpContext& context, TensorView residual, ConstTensorView delta, ConstTensorView weight,
                  float eps, TensorView out) {
  const RowOps& ops = row_ops(context.isa);
  context.threads->parallel_for(residual.size(0), rows_per_piece(residual.size(1)), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      ops.add_rms_norm(float_row_at(residual, r), float_row_at(delta, r), weight.data(), weight.dtype(), eps,
                       row_at(out, r), out.dtype(), residual.size(1));
    }
  });
}

void head_norm(const OpContext& context, TensorView x, ConstTensorView weight, float eps) {
  const RowOps& ops = row_ops(context.isa);
  const int64_t heads = x.size(1), head_dim = x.size(2);
  context.threads->parallel_for(x.size(0), rows_per_piece(heads * head_dim), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      for (int64_t h = 0; h < heads; ++h) {
        float* const head = float_row_at(x, t) + h * head_dim;
        ops.rms_norm(head, weight.data(), weight.dtype(), eps, head, DType::kF32, head_dim);
      }
    }
  });
}

}  // namespace lockstep::cpu
