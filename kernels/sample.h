// Choosing tokens from logits: shard-wise argmax, and full sampling of one row on the host.
//
// Everything here is a pure function of its arguments, with no library exp or log whose bits vary between machines.
#pragma once

#include "core/ids.h"
#include "core/sampling_params.h"
#include "core/tensor_view.h"
#include "kernels/context.h"
#include "kernels/sample_history.h"

#include <cstdint>
#include <optional>
#include <span>

namespace lockstep {

/// The best logit of a vocabulary shard. Combine shards with better_of in any order.
struct ArgmaxResult {
  float value = 0.0F;
  TokenId token;
};

/// The higher value; on equal values the lower token. NaN counts as lower than everything.
ArgmaxResult better_of(ArgmaxResult a, ArgmaxResult b);

/// out[r] = best of logits[r, :], token ids offset by vocab_begin.
/// Shapes: logits [rows, shard] F32, row stride free; out has `rows` entries, in the context's device memory.
/// Throws: ShapeError, DTypeError.
void argmax_rows(const OpContext& context, ConstTensorView logits, int64_t vocab_begin, std::span<ArgmaxResult> out);

/// Samples one token. Order of operations: what adjust_logits does (kernels/sample_adjust.h), temperature, top_k,
/// top_p, min_p, draw. `logits` [vocab] is overwritten: a caller that wants the row's log-probabilities scores it
/// before. The draw is the inverse CDF over kept tokens in descending (probability, then ascending id) order with u =
/// philox_uniform(seed, position). A row whose kept logits are all NaN or -inf is returned as std::nullopt.
std::optional<TokenId> sample_row(std::span<float> logits, const SampleHistory& history, const SamplingParams& params,
                                  uint64_t position);

}  // namespace lockstep
