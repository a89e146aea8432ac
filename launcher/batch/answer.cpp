#include "launcher/batch/answer.h"

#include <algorithm>
#include <utility>

namespace lockstep {

Answer::Answer(Request request, const Tokenizer& tokenizer, std::span<const TokenId> eos_tokens, int64_t prompt_tokens,
               int64_t max_new_tokens)
    : request_(std::move(request)),
      decoder_(tokenizer, /*skip_special_tokens=*/true),
      stops_(request_.stop),
      eos_tokens_(eos_tokens),
      max_new_tokens_(max_new_tokens) {
  result_.index = request_.index;
  result_.custom_id = request_.custom_id;
  result_.prompt_tokens = prompt_tokens;
}

bool Answer::push(TokenId token) {
  result_.token_ids.push_back(token);
  ++result_.completion_tokens;
  const bool is_eos = std::find(eos_tokens_.begin(), eos_tokens_.end(), token) != eos_tokens_.end();
  if (is_eos && !request_.ignore_eos) return end(FinishReason::kStop);
  result_.text += stops_.push(decoder_.push(token));
  if (stops_.is_stopped()) return end(FinishReason::kStop);
  return result_.completion_tokens >= max_new_tokens_ && end(FinishReason::kLength);
}

bool Answer::end(FinishReason reason) {
  result_.text += stops_.push(decoder_.finish());
  result_.text += stops_.finish();
  result_.finish_reason = stops_.is_stopped() ? FinishReason::kStop : reason;
  return true;
}

}  // namespace lockstep
