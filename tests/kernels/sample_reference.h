// What kernels/sample.h must do, written down plainly and apart from it: every step over the whole vocabulary, in
// double, with the standard library's functions.
#pragma once

#include "core/sampling_params.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <vector>

namespace lockstep::test {

/// A sequence so far.
struct ReferenceHistory {
  std::vector<int32_t> prompt, generated;
};

inline std::vector<double> reference_adjusted(const std::vector<float>& logits, const ReferenceHistory& history,
                                              const SamplingParams& params) {
  std::vector<double> out(logits.begin(), logits.end());
  for (size_t i = 0; i < out.size(); ++i) {
    const auto id = static_cast<int32_t>(i);
    const auto is_this = [id](TokenId token) { return token.value() == id; };
    if (static_cast<int64_t>(history.generated.size()) < params.min_tokens &&
        std::any_of(params.end_tokens.begin(), params.end_tokens.end(), is_this)) {
      out[i] = -std::numeric_limits<double>::infinity();
    }
    for (const LogitBias& bias : params.logit_bias)
      out[i] += is_this(bias.token) ? static_cast<double>(bias.bias) : 0.0;

    const auto times = std::count(history.generated.begin(), history.generated.end(), id);
    const bool was_seen = times > 0 || std::count(history.prompt.begin(), history.prompt.end(), id) > 0;
    if (was_seen) out[i] = out[i] > 0 ? out[i] / params.repetition_penalty : out[i] * params.repetition_penalty;
    out[i] -= static_cast<double>(times) * params.frequency_penalty;
    if (times > 0) out[i] -= params.presence_penalty;
  }
  return out;
}

/// Probability of every token that can be drawn.
inline std::map<int32_t, double> reference_distribution(const std::vector<float>& logits,
                                                        const ReferenceHistory& history, const SamplingParams& params) {
  const std::vector<double> adjusted = reference_adjusted(logits, history, params);
  std::vector<std::pair<double, int32_t>> order;  // (minus probability, id)
  const double best = *std::max_element(adjusted.begin(), adjusted.end());
  for (size_t i = 0; i < adjusted.size(); ++i) {
    order.emplace_back(-std::exp((adjusted[i] - best) / params.temperature), static_cast<int32_t>(i));
  }
  std::sort(order.begin(), order.end());
  if (params.top_k > 0) order.resize(std::min(order.size(), static_cast<size_t>(params.top_k)));
  const auto normalise = [&] {
    double total = 0.0;
    for (const auto& one : order) total += one.first;
    for (auto& one : order) one.first /= -total;
  };
  normalise();
  double before = 0.0;
  const double likeliest = -order[0].first;
  std::erase_if(order, [&](const std::pair<double, int32_t>& one) {
    const bool is_cut = before >= params.top_p;
    before += -one.first;
    return is_cut;
  });
  std::erase_if(order, [&](const std::pair<double, int32_t>& one) { return -one.first < params.min_p * likeliest; });
  normalise();
  std::map<int32_t, double> out;
  for (const auto& [probability, id] : order) {
    if (probability < 0.0) out[id] = -probability;
  }
  return out;
}

}  // namespace lockstep::test
