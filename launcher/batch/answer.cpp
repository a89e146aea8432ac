#include "launcher/batch/answer.h"

#include <algorithm>
#include <utility>

namespace lockstep {

Answer::Answer(const Request& request, const Tokenizer& tokenizer, std::span<const TokenId> eos_tokens,
               int64_t max_new_tokens)
    : request_(request),
      decoder_(tokenizer, /*skip_special_tokens=*/true),
      stops_(request_.stop),
      eos_tokens_(eos_tokens),
      max_new_tokens_(max_new_tokens) {}

bool Answer::push(TokenId token, std::optional<TokenScore> score) {
  choice_.token_ids.push_back(token);
  if (score) choice_.scores.push_back(std::move(*score));
  if (ends_at(token)) return end(FinishReason::kStop);
  const auto num_tokens = static_cast<int64_t>(choice_.token_ids.size());
  std::string piece = decoder_.push(token);
  // Stop strings are looked for behind the first min_tokens tokens only.
  choice_.text += num_tokens <= request_.sampling.min_tokens ? std::move(piece) : stops_.push(piece);
  if (stops_.is_stopped()) return end(FinishReason::kStop);
  return num_tokens >= max_new_tokens_ && end(FinishReason::kLength);
}

bool Answer::ends_at(TokenId token) const {
  const auto contains = [&](std::span<const TokenId> tokens) {
    return std::find(tokens.begin(), tokens.end(), token) != tokens.end();
  };
  return (!request_.ignore_eos && contains(eos_tokens_)) || contains(request_.stop_token_ids);
}

bool Answer::end(FinishReason reason) {
  choice_.text += stops_.push(decoder_.finish());
  choice_.text += stops_.finish();
  choice_.finish_reason = stops_.is_stopped() ? FinishReason::kStop : reason;
  return true;
}

}  // namespace lockstep
