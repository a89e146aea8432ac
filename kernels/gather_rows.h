// Picks rows of a matrix: after the last layer only the rows whose logits are wanted go on.
#pragma once

#include "core/tensor_view.h"
#include "kernels/context.h"

namespace lockstep {

/// out[i, :] = in[rows[i], :].
/// Shapes: in [n, columns], out [k, columns], same dtype, row strides free; rows [k] I32, each in [0, n).
/// Ranks: local. Throws: ShapeError, DTypeError; on the CPU ShapeError for a row outside `in`.
void gather_rows(const OpContext& context, ConstTensorView in, ConstTensorView rows, TensorView out);

}  // namespace lockstep
