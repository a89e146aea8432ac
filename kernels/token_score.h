// How likely the model found a token: its log-probability, its rank, and the likeliest tokens of the row.
//
// A pure function of the row, computed by one thread in one fixed order without library exp or log: the same bits for
// any number of threads and ranks.
#pragma once

#include "core/token_score.h"

#include <cstdint>
#include <span>

namespace lockstep {

/// The score of `token` in the row `logits` [vocabulary], with the `num_top` likeliest tokens (fewer if the vocabulary
/// is smaller). Log-probabilities are summed in double and rounded to F32 at the end; a logit of -inf has
/// log-probability -inf. A row with NaN or +inf, or of -inf alone, has logprob NaN, rank 1 and no top tokens.
/// Throws: Error for a token outside the row or num_top < 0.
TokenScore score_token(std::span<const float> logits, TokenId token, int32_t num_top);

}  // namespace lockstep
