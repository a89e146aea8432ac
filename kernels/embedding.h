// Token embedding from a shard of the vocabulary.
#pragma once

#include "core/ids.h"
#include "core/tensor_view.h"
#include "kernels/context.h"

namespace lockstep {

/// out[t] = table[ids[t] - vocab_begin] if this shard holds the token, else -0.0 in every element, so that the sum over
/// shards is exactly the one row that exists (x + -0.0 = x for every x, -0.0 included).
/// Shapes: ids [tokens] I32; table [shard rows, hidden] F32, F16 or BF16; out [tokens, hidden] F32.
/// Ranks: local; the caller sums over ranks. Throws: ShapeError, DTypeError.
void embedding(const OpContext& context, ConstTensorView ids, ConstTensorView table, int64_t vocab_begin,
               TensorView out);

}  // namespace lockstep
