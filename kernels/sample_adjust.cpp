#include "kernels/sample_adjust.h"

#include "core/error.h"

#include <limits>

namespace lockstep {
namespace {

bool is_within(TokenId token, std::span<const float> logits) {
  return token.value() >= 0 && static_cast<size_t>(token.value()) < logits.size();
}

float& logit_of(TokenId token, std::span<float> logits, const char* source) {
  LS_CHECK(is_within(token, logits), "sampling: token {} of the {} lies outside a vocabulary of {}", token.value(),
           source, logits.size());
  return logits[static_cast<size_t>(token.value())];
}

}  // namespace

void adjust_logits(std::span<float> logits, const SampleHistory& history, const SamplingParams& params) {
  if (history.num_generated() < params.min_tokens) {
    for (const TokenId token : params.end_tokens) {
      if (!is_within(token, logits)) continue;
      logits[static_cast<size_t>(token.value())] = -std::numeric_limits<float>::infinity();
    }
  }
  for (const LogitBias& one : params.logit_bias) logit_of(one.token, logits, "logit bias") += one.bias;

  if (!params.has_penalties()) return;
  const auto factor = static_cast<float>(params.repetition_penalty);
  for (const SampleHistory::Entry& entry : history.entries()) {
    float& logit = logit_of(entry.token, logits, "history");
    if (factor != 1.0F) logit = logit > 0.0F ? logit / factor : logit * factor;
    if (entry.num_generated == 0) continue;
    logit = static_cast<float>(static_cast<double>(logit) - params.frequency_penalty * entry.num_generated -
                               params.presence_penalty);
  }
}

}  // namespace lockstep
