// How far two distributions over the vocabulary lie apart, given as logits; in double throughout. Functions are
// thread-safe.
#pragma once

#include <cstdint>
#include <span>

namespace lockstep {

/// ln Σ exp(logit). Not finite where a logit is infinite or not a number.
double log_sum_exp(std::span<const float> logits);

/// Σ p (ln p − ln q), in nats, of p = softmax(reference) and q = softmax(logits): exactly 0 where the logits are equal.
/// Not a number where a logit is none. Source: Kullback & Leibler 1951.
double kl_divergence(std::span<const float> reference, std::span<const float> logits);

/// Sums over tokens.
struct DivergenceSum {
  int64_t num_tokens = 0;
  double kl = 0.0, largest = 0.0;
  int64_t same_best = 0;  // tokens for which both find the same token likeliest (the lower id of equals)

  void add(std::span<const float> reference, std::span<const float> logits);
  void add(const DivergenceSum& other);
  double mean() const { return num_tokens == 0 ? 0.0 : kl / static_cast<double>(num_tokens); }
};

}  // namespace lockstep
