// Log-probabilities as the OpenAI and vLLM formats list them.
#pragma once

#include "core/token_score.h"
#include "launcher/batch/token_text.h"

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <vector>

namespace lockstep {

/// `logprobs` of a completion: tokens, token_logprobs, top_logprobs (null if none were asked for), text_offset in code
/// points. `prompt` (echo) comes first; its first token has no log-probability. `num_top` = 0 leaves top_logprobs null.
nlohmann::ordered_json completion_logprobs(TokenText& text, std::span<const TokenId> prompt,
                                           std::span<const TokenScore> prompt_scores,
                                           std::span<const TokenScore> scores, int32_t num_top);

/// `logprobs` of a chat choice: content[] of token, logprob, bytes, top_logprobs.
nlohmann::ordered_json chat_logprobs(TokenText& text, std::span<const TokenScore> scores, int32_t num_top);

/// `prompt_logprobs` as vLLM lists them: for each token of the prompt an object by token id of logprob, rank and
/// decoded_token, the first null.
nlohmann::ordered_json prompt_logprobs(TokenText& text, std::span<const TokenScore> scores, int32_t num_top);

}  // namespace lockstep
