// The gated activation of Llama-family feed-forward layers.
#pragma once

#include "core/tensor_view.h"
#include "kernels/context.h"

namespace lockstep {

/// out = silu(gate) * up, where gate = gate_up[:, :ffn] and up = gate_up[:, ffn:].
/// Shapes: gate_up [tokens, 2 * ffn] F32; out [tokens, ffn] F32, F16 or BF16.
/// Every element is computed by the same instructions whatever the row count or alignment.
/// Ranks: local. Throws: ShapeError, DTypeError. Source: Shazeer 2020.
void swiglu(const OpContext& context, ConstTensorView gate_up, TensorView out);

}  // namespace lockstep
