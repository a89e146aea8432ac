// One choice in the making: tokens in, text out, and the decision when it ends.
#pragma once

#include "core/text/incremental_decoder.h"
#include "launcher/batch/request.h"
#include "launcher/batch/stop_matcher.h"

#include <optional>
#include <span>

namespace lockstep {

class Answer {
 public:
  /// `request` and `eos_tokens` outlive this. `max_new_tokens`: what the row allows and the longest sequence leaves.
  Answer(const Request& request, const Tokenizer& tokenizer, std::span<const TokenId> eos_tokens,
         int64_t max_new_tokens);

  /// Takes the next token, with its score if one was asked for. True when the answer is complete; then choice() is
  /// final.
  bool push(TokenId token, std::optional<TokenScore> score = std::nullopt);

  Choice& choice() { return choice_; }

 private:
  bool end(FinishReason reason);
  bool ends_at(TokenId token) const;

  const Request& request_;
  IncrementalDecoder decoder_;
  StopMatcher stops_;
  std::span<const TokenId> eos_tokens_;
  int64_t max_new_tokens_;
  Choice choice_;
};

}  // namespace lockstep
