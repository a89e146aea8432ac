// How estimates become a list of pages: the arithmetic that the CPU's and CUDA's bodies of select_pages() share, so
// that their lists are the same. Weights are whole numbers: their sums do not depend on the order of the terms.
#pragma once

#include "core/host_device.h"
#include "kernels/fixed_math.h"
#include "kernels/select_pages.h"

#include <bit>
#include <cstdint>

namespace lockstep::page_ranking {

/// Weights and shares are counted in units of 2^-kFractionBits; sums of 2^23 of them fit 64 bits.
inline constexpr int kFractionBits = 40;
inline constexpr double kUnit = 1099511627776.0;  // 2^kFractionBits

/// Estimates that are no number count as infinite.
LS_HOST_DEVICE inline float sanitized(float estimate) { return estimate == estimate ? estimate : __builtin_inff(); }

/// e^(estimate - highest) in units; `highest` is not below `estimate`.
LS_HOST_DEVICE inline uint64_t weight_of(float estimate, float highest) {
  if (estimate == highest) return uint64_t{1} << kFractionBits;  // infinite ones too
  const double difference = rounded::subtract(static_cast<double>(estimate), static_cast<double>(highest));
  return static_cast<uint64_t>(static_cast<int64_t>(rounded::multiply(exp_nonpositive(difference), kUnit)));
}

/// What share_of() takes of the sum of weights, which is at least one.
LS_HOST_DEVICE inline double units_per_weight(uint64_t total) {
  return rounded::divide(kUnit, static_cast<double>(total));
}
/// A page's share of the sum of weights, in units.
LS_HOST_DEVICE inline uint64_t share_of(uint64_t weight, double units_per_weight) {
  const double share = rounded::multiply(static_cast<double>(static_cast<int64_t>(weight)), units_per_weight);
  return static_cast<uint64_t>(static_cast<int64_t>(share));
}

LS_HOST_DEVICE inline bool is_finite(float value) { return value - value == 0.0F; }

/// How one query head's finite estimates lie: a page's place is 0 for the lowest and 1 for the highest of them.
struct Spread {
  float lowest;
  double per_range;                        // 1 / (highest - lowest); 0: all are equal
  double mean = 0.0, per_deviation = 0.0;  // of places; 0 likewise

  LS_HOST_DEVICE Spread(float lowest_estimate, float highest_estimate) : lowest(lowest_estimate) {
    const double range = rounded::subtract(static_cast<double>(highest_estimate), static_cast<double>(lowest_estimate));
    per_range = range > 0.0 ? rounded::divide(1.0, range) : 0.0;
  }
  LS_HOST_DEVICE double place_of(float estimate) const {
    return rounded::multiply(rounded::subtract(static_cast<double>(estimate), static_cast<double>(lowest)), per_range);
  }
  /// In units of 2^-20: squares of 2^23 of them add up within 64 bits.
  LS_HOST_DEVICE uint64_t whole_place_of(float estimate) const {
    return static_cast<uint64_t>(static_cast<int64_t>(rounded::multiply(place_of(estimate), kPlaces)));
  }
  /// From sums over the finite estimates' whole places.
  LS_HOST_DEVICE void set_moments(uint64_t count, uint64_t sum, uint64_t squares) {
    const auto n = static_cast<double>(count);
    const double mean_place = rounded::divide(static_cast<double>(sum), n);
    const double square = rounded::divide(static_cast<double>(squares), n);
    const double variance = rounded::subtract(square, rounded::multiply(mean_place, mean_place));
    mean = rounded::multiply(mean_place, 1.0 / kPlaces);
    per_deviation = variance > 0.0 ? rounded::divide(kPlaces, square_root(variance)) : 0.0;
  }
  /// How many deviations an estimate lies above the mean: comparable between query heads, so that one whose estimates
  /// differ much does not take the pages of one whose do not.
  LS_HOST_DEVICE float standing_of(float estimate) const {
    if (!is_finite(estimate)) return estimate;
    return static_cast<float>(rounded::multiply(rounded::subtract(place_of(estimate), mean), per_deviation));
  }

 private:
  static constexpr double kPlaces = 1048576.0;  // 2^20
  LS_HOST_DEVICE static double square_root(double value) {
#if defined(__CUDA_ARCH__)
    return __dsqrt_rn(value);
#else
    return __builtin_sqrt(value);
#endif
  }
};

/// Whole numbers in the order of floats, none of them NaN; higher floats give lower keys.
LS_HOST_DEVICE inline uint32_t descending_key(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  return (bits & 0x80000000U) != 0 ? bits : ~bits & 0x7fffffffU;
}

/// Candidates of a token: pages [first, own]. Those in [first, sink_end) and [recent_begin, own] are read anyway.
struct Candidates {
  int64_t first, own, sink_end, recent_begin;
  int64_t most;  // pages of the list, at most; that of count() if all are read
  bool reads_all;

  LS_HOST_DEVICE int64_t count() const { return own - first + 1; }
  LS_HOST_DEVICE bool is_forced(int64_t page) const { return page < sink_end || page >= recent_begin; }
  LS_HOST_DEVICE int64_t num_forced() const { return (sink_end - first) + (own + 1 - recent_begin); }
};

LS_HOST_DEVICE inline int64_t most_pages(const SparseRule& rule, int64_t candidates) {
  const int64_t forced = rule.sink_pages + rule.recent_pages + 1;
  const int64_t least = rule.least_pages > forced ? rule.least_pages : forced;
  const auto share = static_cast<int64_t>(rounded::multiply(rule.ratio, static_cast<double>(candidates)));
  const int64_t most = share > least ? share : least;
  return most < candidates ? most : candidates;
}

LS_HOST_DEVICE inline Candidates candidates_of(const SparseRule& rule, int64_t layer, int64_t position, int64_t window,
                                               int64_t page_tokens) {
  const int64_t first_position = window > 0 && position >= window ? position - window + 1 : 0;
  Candidates out{};
  out.first = first_position / page_tokens;
  out.own = position / page_tokens;
  out.most = most_pages(rule, out.count());
  out.reads_all =
      layer < rule.dense_layers || position - first_position + 1 < rule.dense_below || out.most >= out.count();
  out.sink_end = rule.sink_pages > out.first ? rule.sink_pages : out.first;
  out.recent_begin = out.own - rule.recent_pages;
  if (out.recent_begin < out.first) out.recent_begin = out.first;
  if (out.sink_end > out.recent_begin) out.sink_end = out.recent_begin;
  return out;
}

/// Whether pages of `share` units together are enough of what there is outside the pages read anyway.
LS_HOST_DEVICE inline bool is_enough(const SparseRule& rule, uint64_t share, uint64_t outside) {
  return rule.mass < 1.0 && static_cast<double>(share) >= rounded::multiply(rule.mass, static_cast<double>(outside));
}

}  // namespace lockstep::page_ranking
