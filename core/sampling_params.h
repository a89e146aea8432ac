// How the next token of one request is chosen. Plain data; travels from the request row to the sampler.
#pragma once

#include "core/ids.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace lockstep {

struct LogitBias {
  TokenId token;
  float bias = 0.0F;
};

struct SamplingParams {
  /// 0 = greedy: highest logit, ties to the lowest token id.
  double temperature = 0.0;
  /// Keep the k most likely tokens; 0 = all.
  int32_t top_k = 0;
  /// Keep the smallest set of most likely tokens whose probability reaches top_p, in (0, 1]; 1 = all.
  double top_p = 1.0;
  /// Keep tokens at least min_p times as likely as the likeliest, in [0, 1]; 0 = all.
  double min_p = 0.0;
  /// Divides positive and multiplies negative logits of tokens seen in prompt or output (Keskar et al. 2019); 1 = off.
  double repetition_penalty = 1.0;
  /// Subtracted from the logit of every token generated so far, once; 0 = off.
  double presence_penalty = 0.0;
  /// Subtracted from the logit of a generated token for each time it was generated; 0 = off.
  double frequency_penalty = 0.0;
  /// Added to logits, before the penalties. No token twice.
  std::vector<LogitBias> logit_bias;
  /// Tokens of `end_tokens` cannot be drawn before this many tokens were generated.
  int64_t min_tokens = 0;
  std::vector<TokenId> end_tokens;
  /// Report each generated token's log-probability and those of this many likeliest tokens.
  std::optional<int32_t> logprobs;
  /// The same for the tokens of the prompt, from the second on. Then the prompt is computed, never taken from the
  /// cache.
  std::optional<int32_t> prompt_logprobs;
  /// Seed of the counter-based generator: the draw depends on (seed, position) only.
  uint64_t seed = 0;

  bool is_greedy() const { return temperature == 0.0; }
  bool has_penalties() const {
    return repetition_penalty != 1.0 || presence_penalty != 0.0 || frequency_penalty != 0.0;
  }
  /// Greedy on the model's own logits and nothing else asked: the highest logit of each vocabulary shard is enough.
  bool is_plain_argmax() const {
    return is_greedy() && !has_penalties() && logit_bias.empty() && min_tokens == 0 && !logprobs;
  }
};

}  // namespace lockstep
