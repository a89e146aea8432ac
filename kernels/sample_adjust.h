// What a request does to the model's logits before one is drawn: end tokens masked, bias, penalties.
#pragma once

#include "core/sampling_params.h"
#include "kernels/sample_history.h"

#include <span>

namespace lockstep {

/// Changes a row of logits [vocabulary] in this order (that of vLLM): end tokens become -inf while fewer than
/// min_tokens tokens were generated; logit_bias is added; then for every token of the history repetition_penalty,
/// frequency_penalty, presence_penalty. Each logit is rounded to F32 after the bias, after the repetition penalty and
/// after the other two. End tokens outside the vocabulary cannot be drawn anyway and are passed over.
/// Throws: Error for a biased token or a token of the history outside the vocabulary.
void adjust_logits(std::span<float> logits, const SampleHistory& history, const SamplingParams& params);

}  // namespace lockstep
