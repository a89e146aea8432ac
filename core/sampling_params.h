// How the next token of one request is chosen. Plain data; travels from the request row to the sampler.
#pragma once

#include <cstdint>

namespace lockstep {

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
  /// Seed of the counter-based generator: the draw depends on (seed, position) only.
  uint64_t seed = 0;

  bool is_greedy() const { return temperature == 0.0; }
  /// Greedy without penalties: the highest logit of each vocabulary shard is enough.
  bool is_plain_argmax() const { return is_greedy() && repetition_penalty == 1.0; }
};

}  // namespace lockstep
