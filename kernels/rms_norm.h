// Root-mean-square normalisation, alone or fused with the residual addition before it.
#pragma once

#include "core/tensor_view.h"
#include "kernels/context.h"

namespace lockstep {

/// Normalises each row of `in` by its root mean square and scales by `weight`.
/// Shapes: in, out [rows, hidden], rows may be strided; weight [hidden]. out may alias in when dtypes are equal.
/// Types:  in F32; weight and out F32, F16 or BF16, independent of each other. The weight multiplies in F32.
/// Units:  eps is added to the mean square.
/// Async:  enqueues on the context's stream; may return before completion.
/// Ranks:  local.
/// Throws: ShapeError, DTypeError; NotCompiled for CUDA in a CPU build.
/// Source: Zhang & Sennrich 2019.
void rms_norm(const OpContext& context, ConstTensorView in, ConstTensorView weight, float eps, TensorView out);

/// residual += delta; then out = rms_norm(residual). One pass over memory.
/// Shapes: residual, delta, out [rows, hidden]. Types: residual, delta F32; weight, out as above.
void add_rms_norm(const OpContext& context, TensorView residual, ConstTensorView delta, ConstTensorView weight,
                  float eps, TensorView out);

}  // namespace lockstep
