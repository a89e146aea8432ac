// How one channel of keys and one token of values become codes (kernels/kv_codes.h). Plain C++ of single rounded
// operations in a fixed order, on the four floats that every machine has: one body for all levels, the same bits.
//
// Inputs are finite: load_floats() takes NaN for 0 and clamps to ±65504, the range of F16, so that no offset, low or
// scale is ever infinite. Keys of a channel that spans more than the greatest scale holds saturate at its ends; spans
// below the least one (2^-20) round to it.
#pragma once

#include "kernels/cpu/vector/scalar.h"
#include "kernels/kv_codes.h"

#include <cmath>
#include <cstring>

namespace lockstep::cpu {
namespace {

constexpr float kLargestHalf = 65504.0F;

inline float finite(float x) {
  x = x == x ? x : 0.0F;
  x = x < kLargestHalf ? x : kLargestHalf;
  return x > -kLargestHalf ? x : -kLargestHalf;
}

/// To the nearest integer, ties to even; |x| < 2^22.
inline Vec::F nearest(Vec::F x) {
  const Vec::F magic = Vec::set1(12582912.0F);
  return Vec::sub(Vec::add(x, magic), magic);
}
inline Vec::F within(Vec::F x, float low, float high) { return Vec::min(Vec::max(x, Vec::set1(low)), Vec::set1(high)); }

/// Without branches: subnormals by a multiplication that is exact. For finite halves.
inline float half_bits_to_float(uint16_t bits) {
  const float magnitude = std::bit_cast<float>(static_cast<uint32_t>(bits & 0x7fffU) << 13) * 0x1p112F;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | static_cast<uint32_t>(bits & 0x8000U) << 16);
}

inline Half half_within_range(float x) { return to_half(finite(x)); }
inline float as_half(float x) { return to_float(half_within_range(x)); }
/// The least half that is not below x; 0 ≤ x ≤ 65504.
inline Half half_at_least(float x) {
  Half half = to_half(x);
  if (to_float(half) < x) ++half.bits;
  return half;
}
/// The greatest half that is not above x, as a float; |x| ≤ 65504.
inline float half_at_most(float x) {
  const Half half = to_half(x);
  if (to_float(half) <= x) return to_float(half);
  if (x < 0.0F) return -to_float(half_at_least(-x));
  return to_float(Half{static_cast<uint16_t>(half.bits - 1U)});  // x > 0: the nearest above it is not 0
}

/// Σ term(i) over i = 0, 4, 8, …: two vectors of lanes, added at the end. n is a multiple of 8.
template <class Term>
inline float sum_of(int64_t n, Term term) {
  Vec::F even = Vec::zero(), odd = Vec::zero();
  for (int64_t i = 0; i < n; i += 8) {
    even = Vec::add(even, term(i));
    odd = Vec::add(odd, term(i + 4));
  }
  const Vec::F sum = Vec::add(even, odd);
  return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

struct Span {
  float least, most;
};
inline Span span_of(const float* x, int64_t n) {
  Vec::F least = Vec::load(x), most = least;
  for (int64_t i = 4; i < n; i += 4) {
    least = Vec::min(Vec::load(x + i), least);
    most = Vec::max(Vec::load(x + i), most);
  }
  Span span = {least[0], most[0]};
  for (int i = 1; i < 4; ++i) {
    span.least = least[i] < span.least ? least[i] : span.least;
    span.most = most[i] > span.most ? most[i] : span.most;
  }
  return span;
}

}  // namespace
}  // namespace lockstep::cpu
