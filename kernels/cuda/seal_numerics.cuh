// How a channel of keys and a token of values become codes, by eight lanes: the operations and the order of
// kernels/cpu/seal/, so that the bytes are those of the CPU's body. Eight neighbouring lanes call alike; a lane has
// elements lane, lane + 8, ….
//
// Inputs are finite: read_finite() takes NaN for 0 and clamps to ±65504.
#pragma once

#include "kernels/cuda/element.cuh"
#include "kernels/kv_codes.h"

#include <cstdint>

namespace lockstep::cuda {

inline constexpr int kSealLanes = 8;
inline constexpr float kLargestHalf = 65504.0F;

template <class T>
__device__ float read_finite(T element) {
  float x = widen(element);
  x = x == x ? x : 0.0F;
  x = x < kLargestHalf ? x : kLargestHalf;
  return x > -kLargestHalf ? x : -kLargestHalf;
}

/// To the nearest integer, ties to even; |x| < 2^22.
__device__ inline float nearest(float x) { return __fsub_rn(__fadd_rn(x, 12582912.0F), 12582912.0F); }

__device__ inline float within(float x, float low, float high) {
  x = x > low ? x : low;
  return x < high ? x : high;
}
__device__ inline uint32_t byte_of_float(float x) { return static_cast<uint32_t>(nearest(within(x, 0.0F, 255.0F))); }

__device__ inline unsigned short half_within_range(float x) {
  return __half_as_ushort(__float2half_rn(within(x, -kLargestHalf, kLargestHalf)));
}
__device__ inline float half_value(unsigned short bits) { return __half2float(__ushort_as_half(bits)); }
__device__ inline float as_half(float x) { return half_value(half_within_range(x)); }
/// The least half that is not below x; 0 ≤ x ≤ 65504.
__device__ inline unsigned short half_at_least(float x) {
  const unsigned short bits = __half_as_ushort(__float2half_rn(x));
  return half_value(bits) < x ? static_cast<unsigned short>(bits + 1) : bits;
}
/// The greatest half that is not above x, as a float; |x| ≤ 65504.
__device__ inline float half_at_most(float x) {
  const unsigned short bits = __half_as_ushort(__float2half_rn(x));
  if (half_value(bits) <= x) return half_value(bits);
  return x < 0.0F ? -half_value(half_at_least(-x)) : half_value(static_cast<unsigned short>(bits - 1));
}

/// scale_code_for() of kernels/kv_codes.h.
__device__ inline int scale_code_at_least(float scale) {
  constexpr uint32_t kFirst = uint32_t{107} << 3;
  if (!(scale > scale_of_code(0))) return 0;
  if (scale >= scale_of_code(255)) return 255;
  return static_cast<int>(((__float_as_uint(scale) + 0xfffffU) >> 20) - kFirst);
}

/// Σ term(i) over a multiple of eight elements, the same in all eight lanes.
template <class Term>
__device__ float sum_of(int lane, int count, const Term& term) {
  float sum = 0.0F;
  for (int i = lane; i < count; i += kSealLanes) sum = __fadd_rn(sum, term(i));
  for (int distance = kSealLanes / 2; distance > 0; distance /= 2) {
    sum = __fadd_rn(sum, __shfl_xor_sync(0xffffffffU, sum, distance));
  }
  return sum;
}

struct Span {
  float least, most;
};

/// Of equal elements that of the first lane: where all are zeros of either sign, that of element 0, as on the CPU.
template <class Element>
__device__ Span span_of(int lane, int count, const Element& x) {
  Span span = {x(lane), x(lane)};
  for (int i = lane + kSealLanes; i < count; i += kSealLanes) {
    const float value = x(i);
    span.least = value < span.least ? value : span.least;
    span.most = value > span.most ? value : span.most;
  }
  for (int distance = 1; distance < kSealLanes; distance *= 2) {
    const float least = __shfl_xor_sync(0xffffffffU, span.least, distance);
    const float most = __shfl_xor_sync(0xffffffffU, span.most, distance);
    const bool is_behind = (lane & distance) != 0;
    const Span before = is_behind ? Span{least, most} : span, behind = is_behind ? span : Span{least, most};
    span.least = behind.least < before.least ? behind.least : before.least;
    span.most = behind.most > before.most ? behind.most : before.most;
  }
  return span;
}

struct Moments {
  float mean, deviation;
};
template <class Element>
__device__ Moments moments_of(int lane, int count, const Element& x) {
  const auto number = static_cast<float>(count);
  const float mean = __fdiv_rn(sum_of(lane, count, x), number);
  const float square = sum_of(lane, count, [&](int i) {
    const float difference = __fsub_rn(x(i), mean);
    return __fmul_rn(difference, difference);
  });
  return {mean, __fsqrt_rn(__fdiv_rn(square, number))};
}

/// x ↦ nearest((x - offset) · inverse) within [low, high].
struct Coder {
  float offset, inverse, low, high;
  __device__ float code(float x) const { return nearest(within(__fmul_rn(__fsub_rn(x, offset), inverse), low, high)); }
};
__device__ inline float inverse_of_scale(float scale) { return scale > 0.0F ? __fdiv_rn(1.0F, scale) : 0.0F; }
__device__ inline Coder four_bit_coder(float low, float scale) { return {low, inverse_of_scale(scale), 0.0F, 15.0F}; }

/// The square error of 4 bits.
template <class Element>
__device__ float error_of(int lane, int count, const Element& x, float low, float scale) {
  const Coder coder = four_bit_coder(low, scale);
  return sum_of(lane, count, [&](int i) {
    const float value = x(i);
    const float error = __fsub_rn(value, __fadd_rn(low, __fmul_rn(scale, coder.code(value))));
    return __fmul_rn(error, error);
  });
}

struct KeyScale {
  float offset;  // a half
  int scale;     // a code
};

/// Around the mean.
template <class Element>
__device__ KeyScale scale_keys8(int lane, int count, const Element& x) {
  const float offset = as_half(__fdiv_rn(sum_of(lane, count, x), static_cast<float>(count)));
  const Span span = span_of(lane, count, x);
  const float above = __fsub_rn(span.most, offset), below = __fsub_rn(offset, span.least);
  return {offset, scale_code_at_least(__fdiv_rn(above < below ? below : above, 127.0F))};
}

/// Of the scale that covers the span and a few smaller ones, each around the middle, the one of least square error.
/// Lanes meet those of other channels in the sums: every attempt is made by all, and may not count.
template <class Element>
__device__ KeyScale scale_keys4(int lane, int count, const Element& x) {
  constexpr int kSmaller = 3;
  const Span span = span_of(lane, count, x);
  const float middle = __fmul_rn(0.5F, __fadd_rn(span.least, span.most));
  const int covering = scale_code_at_least(__fdiv_rn(__fsub_rn(span.most, span.least), 15.0F));
  KeyScale best = {0.0F, -1};
  float least_error = 0.0F;
  const auto attempt = [&](float offset, int code, bool counts) {
    const float error = error_of(lane, count, x, offset, scale_of_code(static_cast<uint8_t>(code)));
    if (!counts || (best.scale >= 0 && !(error < least_error))) return;
    least_error = error;
    best = {offset, code};
  };
  for (int smaller = 0; smaller <= kSmaller; ++smaller) {
    const int code = max(covering - smaller, 0);  // 0 a second time wins nothing
    const float offset = as_half(__fsub_rn(middle, __fmul_rn(7.5F, scale_of_code(static_cast<uint8_t>(code)))));
    attempt(offset, code, span.most > span.least);
  }
  // Where halves are sparse beside the span (a bias far above its deviation, or nothing but a bias): from the half
  // below the least key.
  const float below = half_at_most(span.least);
  const float quarter = __fmul_rn(scale_of_code(static_cast<uint8_t>(covering)), 0.25F);
  attempt(below, scale_code_at_least(__fdiv_rn(__fsub_rn(span.most, below), 15.0F)),
          best.scale < 0 || __fsub_rn(span.least, below) > quarter);
  return best;
}

struct ValueScale {
  unsigned short scale, low;  // halves
};

template <class Element>
__device__ ValueScale scale_values8(int lane, int count, const Element& x) {
  const Span span = span_of(lane, count, x);
  return {half_at_least(__fdiv_rn(span.most < -span.least ? -span.least : span.most, 127.0F)), 0};
}

template <class Element>
__device__ ValueScale scale_values4(int lane, int count, const Element& x) {
  constexpr float kRanges[] = {1.0F, 0.95F, 0.9F, 0.85F, 0.8F};
  const Span span = span_of(lane, count, x);
  const float middle = __fmul_rn(0.5F, __fadd_rn(span.least, span.most));
  ValueScale best = {0, 0};
  float least_error = 0.0F;
  bool has_any = false;
#pragma unroll
  for (const float range : kRanges) {
    const unsigned short scale =
        half_within_range(__fdiv_rn(__fmul_rn(__fsub_rn(span.most, span.least), range), 15.0F));
    const unsigned short low = half_within_range(__fsub_rn(middle, __fmul_rn(7.5F, half_value(scale))));
    const float error = error_of(lane, count, x, half_value(low), half_value(scale));
    if (has_any && !(error < least_error)) continue;
    has_any = true;
    least_error = error;
    best = {scale, low};
  }
  return best;
}

}  // namespace lockstep::cuda
