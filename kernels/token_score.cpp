#include "kernels/token_score.h"

#include "core/error.h"
#include "kernels/fixed_math.h"

#include <algorithm>
#include <array>
#include <limits>

namespace lockstep {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Sums run in this many interleaved lanes, combined pairwise: a fixed order that vector units can follow.
constexpr size_t kLanes = 8;

bool has_nan_or_infinity(std::span<const float> logits) {
  int bad = 0;
  for (const float logit : logits) bad |= static_cast<int>(!(logit < kInfinity));
  return bad != 0;
}

/// Sum of e^(logit - best) over the row.
double sum_of_weights(std::span<const float> logits, float best) {
  std::array<double, kLanes> sums{};
  const auto offset = static_cast<double>(best);
  size_t i = 0;
  for (; i + kLanes <= logits.size(); i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      sums[lane] += exp_nonpositive(static_cast<double>(logits[i + lane]) - offset);
    }
  }
  for (size_t lane = 0; i < logits.size(); ++i, ++lane) {
    sums[lane] += exp_nonpositive(static_cast<double>(logits[i]) - offset);
  }
  for (size_t width = kLanes / 2; width > 0; width /= 2) {
    for (size_t lane = 0; lane < width; ++lane) sums[lane] += sums[lane + width];
  }
  return sums[0];
}

struct Candidate {
  float logit;
  int32_t token;
};

bool comes_first(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

/// The `count` likeliest tokens in order. A heap holds the best so far, its front the worst of them.
std::vector<Candidate> likeliest(std::span<const float> logits, size_t count) {
  std::vector<Candidate> heap;
  count = std::min(count, logits.size());
  if (count == 0) return heap;
  heap.reserve(count);
  for (size_t i = 0; i < logits.size(); ++i) {
    const Candidate candidate{logits[i], static_cast<int32_t>(i)};
    if (heap.size() == count) {
      if (!(candidate.logit > heap.front().logit)) continue;  // an equal one comes later in order
      std::pop_heap(heap.begin(), heap.end(), comes_first);
      heap.back() = candidate;
    } else {
      heap.push_back(candidate);
    }
    std::push_heap(heap.begin(), heap.end(), comes_first);
  }
  std::sort_heap(heap.begin(), heap.end(), comes_first);
  return heap;
}

}  // namespace

TokenScore score_token(std::span<const float> logits, TokenId token, int32_t num_top) {
  LS_CHECK(token.value() >= 0 && static_cast<size_t>(token.value()) < logits.size(),
           "score_token: token {} lies outside a vocabulary of {}", token.value(), logits.size());
  LS_CHECK(num_top >= 0, "score_token: {} top tokens were asked for", num_top);
  TokenScore score{token, std::numeric_limits<float>::quiet_NaN(), 1, {}};
  if (has_nan_or_infinity(logits)) return score;
  const float best = *std::max_element(logits.begin(), logits.end());
  if (best == -kInfinity) return score;

  const double log_sum = log_positive(sum_of_weights(logits, best));
  const auto logprob_of = [&](float logit) {
    return static_cast<float>((static_cast<double>(logit) - static_cast<double>(best)) - log_sum);
  };
  const float own = logits[static_cast<size_t>(token.value())];
  score.logprob = logprob_of(own);
  for (const float logit : logits) score.rank += static_cast<int32_t>(logit > own);
  for (const Candidate& candidate : likeliest(logits, static_cast<size_t>(num_top))) {
    score.top.push_back({TokenId(candidate.token), logprob_of(candidate.logit)});
  }
  return score;
}

}  // namespace lockstep
