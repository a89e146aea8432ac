// Picks rows of a matrix: after the last layer only the rows whose logits are wanted go on.
#pragma once

#include "core/tensor_view.h"
#include "kernels/context.h"

#include <cstdint>
#include <span>

namespace lockstep {

/// out[i, :] = in[rows[i], :].
/// Shapes: in [n, columns], out [rows.size(), columns], same dtype, row strides free; rows: host memory.
/// Ranks: local. Throws: ShapeError, DTypeError; NotCompiled where the device has no body.
void gather_rows(const OpContext& context, ConstTensorView in, std::span<const int32_t> rows, TensorView out);

}  // namespace lockstep
