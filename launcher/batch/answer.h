// One answer in the making: tokens in, text out, and the decision when it ends.
#pragma once

#include "core/text/incremental_decoder.h"
#include "launcher/batch/request.h"
#include "launcher/batch/stop_matcher.h"

#include <span>

namespace lockstep {

class Answer {
 public:
  /// `max_new_tokens` ≤ request.max_tokens: what the longest sequence leaves room for.
  Answer(Request request, const Tokenizer& tokenizer, std::span<const TokenId> eos_tokens, int64_t prompt_tokens,
         int64_t max_new_tokens);

  /// Takes the next token. True when the answer is complete; then result() is final.
  bool push(TokenId token);

  const Request& request() const { return request_; }
  const Result& result() const { return result_; }

 private:
  bool end(FinishReason reason);

  Request request_;
  IncrementalDecoder decoder_;
  StopMatcher stops_;
  std::span<const TokenId> eos_tokens_;
  int64_t max_new_tokens_;
  Result result_;
};

}  // namespace lockstep
