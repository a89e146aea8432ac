#include "kernels/sample.h"

#include "core/philox.h"
#include "kernels/fixed_math.h"
#include "kernels/sample_adjust.h"

#include <algorithm>
#include <limits>
#include <vector>

namespace lockstep {
namespace {

struct Candidate {
  float logit;
  int32_t token;
};

bool comes_first(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

/// Candidates in descending order, sorted only as far as somebody looks.
class DescendingCandidates {
 public:
  explicit DescendingCandidates(std::vector<Candidate> candidates) : candidates_(std::move(candidates)) {}

  size_t size() const { return candidates_.size(); }
  const Candidate& at(size_t i) {
    while (i >= sorted_) sort_more();
    return candidates_[i];
  }
  /// Drops all but the first `count`.
  void keep(size_t count) {
    if (count >= size()) return;
    const auto cut = candidates_.begin() + static_cast<std::ptrdiff_t>(count);
    if (count > sorted_) std::nth_element(unsorted(), cut - 1, candidates_.end(), comes_first);
    candidates_.erase(cut, candidates_.end());
    sorted_ = std::min(sorted_, count);
  }
  auto begin() const { return candidates_.begin(); }
  auto end() const { return candidates_.end(); }

 private:
  std::vector<Candidate>::iterator unsorted() { return candidates_.begin() + static_cast<std::ptrdiff_t>(sorted_); }
  void sort_more() {
    constexpr size_t kFirst = 64, kGrowth = 4;  // a peaked distribution is decided within the first few
    const size_t target = std::min(size(), std::max(kFirst, sorted_ * kGrowth));
    std::partial_sort(unsorted(), candidates_.begin() + static_cast<std::ptrdiff_t>(target), candidates_.end(),
                      comes_first);
    sorted_ = target;
  }

  std::vector<Candidate> candidates_;
  size_t sorted_ = 0;
};

/// All tokens that can be drawn, by ascending id. With an infinite logit: those alone, equally likely.
std::vector<Candidate> collect(std::span<const float> logits) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::vector<Candidate> candidates;
  candidates.reserve(logits.size());
  bool has_infinity = false;
  for (size_t i = 0; i < logits.size(); ++i) {
    if (!(logits[i] > -kInfinity)) continue;  // -inf or NaN
    candidates.push_back({logits[i], static_cast<int32_t>(i)});
    has_infinity = has_infinity || logits[i] == kInfinity;
  }
  if (has_infinity) {
    std::erase_if(candidates, [](const Candidate& c) { return c.logit < kInfinity; });
    for (Candidate& c : candidates) c.logit = 0.0F;
  }
  return candidates;
}

}  // namespace

std::optional<TokenId> sample_row(std::span<float> logits, const SampleHistory& history, const SamplingParams& params,
                                  uint64_t position) {
  adjust_logits(logits, history, params);
  std::vector<Candidate> found = collect(logits);
  if (found.empty()) return std::nullopt;
  const Candidate best = *std::min_element(found.begin(), found.end(), comes_first);
  if (params.is_greedy()) return TokenId(best.token);

  // Likelihoods relative to the best token; the temperature divides differences, so a tiny one cannot overflow.
  const auto weight = [&](const Candidate& c) {
    const double difference = static_cast<double>(c.logit) - static_cast<double>(best.logit);
    return difference == 0.0 ? 1.0 : exp_nonpositive(difference / params.temperature);
  };

  DescendingCandidates candidates(std::move(found));
  double total = 0.0;
  if (params.top_k > 0) {
    candidates.keep(static_cast<size_t>(params.top_k));
    for (size_t i = 0; i < candidates.size(); ++i) total += weight(candidates.at(i));
  } else {
    for (const Candidate& c : candidates) total += weight(c);  // by ascending id: still unsorted
  }

  // top_p and min_p both keep a prefix of the descending order.
  size_t num_kept = candidates.size();
  if (params.top_p < 1.0 || params.min_p > 0.0) {
    const double enough = params.top_p < 1.0 ? params.top_p * total : std::numeric_limits<double>::infinity();
    double mass = 0.0;
    for (num_kept = 0; num_kept < candidates.size() && mass < enough; ++num_kept) {
      const double w = weight(candidates.at(num_kept));
      if (num_kept > 0 && w < params.min_p) break;
      mass += w;
    }
    if (num_kept == 0) num_kept = 1;  // top_p 0: the best token
    total = num_kept == 1 ? 1.0 : mass;
  }

  const double target = philox_uniform(params.seed, position) * total;
  double mass = 0.0;
  for (size_t i = 0; i < num_kept; ++i) {
    mass += weight(candidates.at(i));
    if (mass > target) return TokenId(candidates.at(i).token);
  }
  return TokenId(candidates.at(num_kept - 1).token);  // rounding left the target beyond the last sum
}

}  // namespace lockstep
