#include "kernels/sample.h"

#include "core/error.h"
#include "kernels/sample_adjust.h"
#include "kernels/sample_draw.h"
#include "kernels/sample_weights.h"

#include <algorithm>
#include <array>
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
    const auto cut = candidates_.begin() + static_cast<std::ptrdiff_t>(target);
    if (sorted_ == 0) {
      std::partial_sort(unsorted(), cut, candidates_.end(), comes_first);
    } else {  // many: selecting first spares sorting by a large heap
      if (cut != candidates_.end()) std::nth_element(unsorted(), cut - 1, candidates_.end(), comes_first);
      std::sort(unsorted(), cut, comes_first);
    }
    sorted_ = target;
  }

  std::vector<Candidate> candidates_;
  size_t sorted_ = 0;
};

/// The highest logit; of equal ones the lowest token. NaN and -inf cannot be drawn.
std::optional<Candidate> best_of(std::span<const float> logits) {
  constexpr size_t kLanes = 8;  // independent maxima, for vector code
  std::array<float, kLanes> highest;
  highest.fill(-std::numeric_limits<float>::infinity());
  size_t i = 0;
  for (; i + kLanes <= logits.size(); i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      highest[lane] = logits[i + lane] > highest[lane] ? logits[i + lane] : highest[lane];
    }
  }
  float best = *std::max_element(highest.begin(), highest.end());
  for (; i < logits.size(); ++i) best = logits[i] > best ? logits[i] : best;
  if (best == -std::numeric_limits<float>::infinity()) return std::nullopt;
  return Candidate{best, static_cast<int32_t>(std::find(logits.begin(), logits.end(), best) - logits.begin())};
}

/// All tokens that can be drawn, by ascending id. With an infinite logit: those alone, equally likely.
std::vector<Candidate> collect(std::span<const float> logits, bool only_infinite) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::vector<Candidate> candidates;
  if (!only_infinite) candidates.reserve(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) {
    if (!(logits[i] > -kInfinity) || (only_infinite && logits[i] < kInfinity)) continue;
    candidates.push_back({only_infinite ? 0.0F : logits[i], static_cast<int32_t>(i)});
  }
  return candidates;
}

}  // namespace

std::optional<TokenId> draw_token(std::span<const float> logits, const RowSampling& row) {
  std::optional<Candidate> best = best_of(logits);
  if (!best) return std::nullopt;
  if (row.temperature == 0.0) return TokenId(best->token);
  LS_REQUIRE(ShapeError, logits.size() <= static_cast<size_t>(kMaxSampledVocabulary),
             "sampling: a vocabulary of {}; at most {}", logits.size(), kMaxSampledVocabulary);

  const bool is_infinite = best->logit == std::numeric_limits<float>::infinity();
  if (is_infinite) best->logit = 0.0F;
  const auto weight = [&](const Candidate& c) { return sample_weight(c.logit, best->logit, row.temperature); };

  DescendingCandidates candidates(collect(logits, is_infinite));
  if (row.top_k > 0) candidates.keep(static_cast<size_t>(row.top_k));
  uint64_t kept = 0;
  for (const Candidate& c : candidates) kept += weight(c);

  // top_p and min_p both keep a prefix of the descending order; with neither, all of it.
  const uint64_t enough = std::max<uint64_t>(share_of(kept, row.top_p), 1);  // the best token stays, also at top_p 0
  const uint64_t least = share_of(kFullWeight, row.min_p);
  if (enough < kept || least > 0) {
    uint64_t mass = 0;
    for (size_t i = 0; i < candidates.size() && mass < enough; ++i) {
      const uint64_t w = weight(candidates.at(i));
      if (w < least) break;
      mass += w;
    }
    kept = mass;
  }

  const uint64_t target = draw_target(kept, row.seed, row.position);
  uint64_t mass = 0;
  for (size_t i = 0; i < candidates.size(); ++i) {
    mass += weight(candidates.at(i));
    if (mass > target) return TokenId(candidates.at(i).token);
  }
  LS_THROW(Error, "sampling: the draw fell outside the row (temperature {})", row.temperature);
}

RowSampling row_sampling(const SamplingParams& params, uint64_t position) {
  return {.temperature = params.temperature,
          .top_p = params.top_p,
          .min_p = params.min_p,
          .seed = params.seed,
          .position = position,
          .top_k = params.top_k};
}

std::optional<TokenId> sample_row(std::span<float> logits, const SampleHistory& history, const SamplingParams& params,
                                  uint64_t position) {
  adjust_logits(logits, history, params);
  return draw_token(logits, row_sampling(params, position));
}

}  // namespace lockstep
