// Root-mean-square normalisation of every attention head (Qwen3's query and key norms).
#pragma once

#include "core/tensor_view.h"
#include "kernels/context.h"

namespace lockstep {

/// Normalises x[t, h, :] by its root mean square and scales by `weight`, in place; the bits are those of rms_norm.
/// Shapes: x [tokens, heads, head_dim] F32, token stride free; weight [head_dim] F32, F16 or BF16.
/// Ranks: local. Throws: ShapeError, DTypeError.
void head_norm(const OpContext& context, TensorView x, ConstTensorView weight, float eps);

}  // namespace lockstep
