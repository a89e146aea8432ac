// How likely a model finds a token: what a request with logprobs is told. Plain data.
#pragma once

#include "core/ids.h"

#include <cstdint>
#include <vector>

namespace lockstep {

struct TokenLogprob {
  TokenId token;
  /// Natural logarithm of the softmax of the model's own logits: before penalties, bias and temperature.
  float logprob = 0.0F;
  bool operator==(const TokenLogprob&) const = default;
};

struct TokenScore {
  TokenId token;
  /// As TokenLogprob::logprob. NaN where the logits are not finite.
  float logprob = 0.0F;
  /// 1 for the likeliest token of the vocabulary; tokens of equal logit share the best rank.
  int32_t rank = 1;
  /// The likeliest tokens, as many as were asked for, descending; ties by ascending id.
  std::vector<TokenLogprob> top;
  bool operator==(const TokenScore&) const = default;
};

}  // namespace lockstep
