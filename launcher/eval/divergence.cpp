#include "launcher/eval/divergence.h"

#include "core/error.h"

#include <algorithm>
#include <cmath>

namespace lockstep {

double log_sum_exp(std::span<const float> logits) {
  const double most = *std::max_element(logits.begin(), logits.end());
  double sum = 0.0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - most);
  return most + std::log(sum);
}

double kl_divergence(std::span<const float> reference, std::span<const float> logits) {
  LS_CHECK(!logits.empty() && reference.size() == logits.size(), "{} logits are compared with {}", logits.size(),
           reference.size());
  const double p_sum = log_sum_exp(reference), q_sum = log_sum_exp(logits);
  double kl = 0.0;
  for (size_t i = 0; i < logits.size(); ++i) {
    const double p = static_cast<double>(reference[i]) - p_sum, q = static_cast<double>(logits[i]) - q_sum;
    const double weight = std::exp(p);
    if (weight > 0.0) kl += weight * (p - q);
  }
  return kl;
}

void DivergenceSum::add(std::span<const float> reference, std::span<const float> logits) {
  const double one = kl_divergence(reference, logits);
  const auto best = [](std::span<const float> values) {
    return std::max_element(values.begin(), values.end()) - values.begin();
  };
  ++num_tokens;
  kl += one;
  largest = std::max(largest, one);
  same_best += best(reference) == best(logits) ? 1 : 0;
}

void DivergenceSum::add(const DivergenceSum& other) {
  num_tokens += other.num_tokens;
  kl += other.kl;
  largest = std::max(largest, other.largest);
  same_best += other.same_best;
}

}  // namespace lockstep
