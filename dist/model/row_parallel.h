// A linear layer whose input features are spread over the ranks: local products, then one sum over ranks.
#pragma once

#include "core/tensor_view.h"
#include "dist/communicator.h"
#include "kernels/linear.h"

namespace lockstep {

/// `weight` holds this rank's columns with its segments of the fixed summation tree, and no bias; `bias` (F32, may be
/// empty) is the whole layer's and is added once, after the sum over ranks.
struct RowParallelWeight {
  LinearWeight weight;
  Buffer bias;
};

/// out = sum over ranks of x · Wᵀ, plus bias; the same bits for tensor parallelism 1, 2, 4 and 8.
/// Shapes: x [tokens, local in_features] of the weight's dtype; out [tokens, out_features] F32, contiguous.
/// Ranks:  collective; every rank of `communicator` calls, same order. Throws: ShapeError, DTypeError, CommError.
void row_parallel_linear(const OpContext& context, Communicator& communicator, ConstTensorView x,
                         const RowParallelWeight& weight, TensorView out);

/// residual += row_parallel_linear(x); out = rms_norm(residual). On GPUs the sum over ranks and the norm are one call,
/// which a transport may do in one kernel (Communicator::all_reduce_add_rms_norm). The same bits either way.
/// Shapes: x, weight as above; residual, scratch [tokens, out_features] F32, contiguous; norm [out_features]; out
/// [tokens,
///         out_features]. `scratch` may hold the sum.
/// Ranks:  collective. Throws: as row_parallel_linear.
void row_parallel_add_rms_norm(const OpContext& context, Communicator& communicator, ConstTensorView x,
                               const RowParallelWeight& weight, TensorView residual, ConstTensorView norm, float eps,
                               TensorView scratch, TensorView out);

/// out = the embedding rows of `ids` from a table whose rows are spread over the ranks.
/// Shapes: ids [tokens] I32; table [local rows, hidden]; out [tokens, hidden] F32, contiguous. Ranks: collective.
void vocab_parallel_embedding(const OpContext& context, Communicator& communicator, ConstTensorView ids,
                              ConstTensorView table, int64_t vocab_begin, TensorView out);

}  // namespace lockstep
