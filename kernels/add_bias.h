// Adds a bias vector to every row: for row-parallel layers, whose bias comes after the sum over ranks.
#pragma once

#include "core/tensor_view.h"
#include "kernels/context.h"

namespace lockstep {

/// x[r, :] += bias.
/// Shapes: x [rows, columns] F32, row stride free; bias [columns] F32.
/// Ranks: local. Throws: ShapeError, DTypeError; NotCompiled where the device has no body.
void add_bias(const OpContext& context, TensorView x, ConstTensorView bias);

}  // namespace lockstep
