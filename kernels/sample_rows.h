// Choosing tokens where the logits are: no row of logits leaves the device, and the next step can start from the
// result.
//
// A sampled token is the same on every device given the same logits: probabilities are fixed-point integers, so that
// sums do not depend on their order, and the exponential has fixed bits (kernels/sample_weights.h).
#pragma once

#include "core/sampling_params.h"
#include "core/tensor_view.h"
#include "kernels/context.h"
#include "kernels/sample.h"

#include <cstdint>
#include <span>

namespace lockstep {

/// The settings of one row, as SamplingParams; plain data that travels to the device.
struct RowSampling {
  double temperature = 0.0;  // 0: greedy
  double top_p = 1.0, min_p = 0.0;
  uint64_t seed = 0, position = 0;
  int32_t top_k = 0;
};

/// True if the row needs nothing of the host: no penalties, bias, minimum length or log-probabilities.
bool can_sample_on_device(const SamplingParams& params);

/// tokens[r] = what sample_row() returns for logits[r, :] under rows[r]; -1 where that is nothing.
/// Shapes: logits [n, vocab] F32, row stride free; rows: n entries on the context's device; tokens [n] I32.
/// Ranks: local. Throws: ShapeError, DTypeError.
void sample_rows(const OpContext& context, ConstTensorView logits, const RowSampling* rows, TensorView tokens);

/// tokens[r] = the best over the vocabulary shards' best, by better_of; -1 where it is not finite.
/// Shapes: shards [num_shards, n] row-major on the context's device; tokens [n] I32.
/// Ranks: local. Throws: ShapeError, DTypeError.
void select_best(const OpContext& context, std::span<const ArgmaxResult> shards, TensorView tokens);

/// out[r, bounds[s] + c] = shards[s, r, c] for c < bounds[s + 1] - bounds[s]: whole rows from gathered vocabulary
/// shards, which are padded to one width.
/// Shapes: shards [num_shards, n, width] F32 contiguous; bounds: num_shards + 1, ascending from 0, host memory;
///         out [n, bounds.back()] F32, contiguous. At most 1024 shards.
/// Ranks: local. Throws: ShapeError, DTypeError.
void join_shards(const OpContext& context, ConstTensorView shards, std::span<const int64_t> bounds, TensorView out);

}  // namespace lockstep
