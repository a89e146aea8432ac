// The input tokens of a step, some of which only the device knows yet: those that the step before it sampled.
#pragma once

#include "core/tensor_view.h"
#include "kernels/context.h"

namespace lockstep {

/// out[t] = sources[t] < 0 ? ids[t] : sampled[sources[t]].
/// Shapes: ids, sources, out [tokens] I32; sampled [any] I32; all contiguous. out may alias ids.
/// Ranks: local. Throws: ShapeError, DTypeError.
void fill_tokens(const OpContext& context, ConstTensorView ids, ConstTensorView sources, ConstTensorView sampled,
                 TensorView out);

}  // namespace lockstep
