// Bodies of RowOps over `Vec`. Included by one file per instruction-set level.
#pragma once

#include "kernels/cpu/rows/row_ops.h"
#include "kernels/cpu/vector/parts.h"

namespace lockstep::cpu {
namespace {

/// 1 / sqrt(mean(x²) + eps), with x = in, or in + delta, which is then stored to `sum`.
/// Four running sums, so that the adder's latency is hidden; their order depends on n alone.
template <bool kAddDelta>
inline float inverse_rms(const float* in, const float* delta, float* sum, float eps, int64_t n) {
  Vec::F squares[4] = {Vec::zero(), Vec::zero(), Vec::zero(), Vec::zero()};
  const auto add_square = [&](int64_t i, auto lanes, int k) {
    Vec::F x = load(in + i, lanes);
    if constexpr (kAddDelta) {
      x = Vec::add(x, load(delta + i, lanes));
      store(sum + i, x, lanes);
    }
    squares[k] = Vec::fma(x, x, squares[k]);
  };
  int64_t done = 0;
  for (; done + 4 * Vec::kWidth <= n; done += 4 * Vec::kWidth) {
    for (int k = 0; k < 4; ++k) add_square(done + k * Vec::kWidth, All{}, k);
  }
  int next = 0;
  for_each_vector(n - done, [&](int64_t i, auto lanes) { add_square(done + i, lanes, next++); });
  const float total = sum_lanes(Vec::add(Vec::add(squares[0], squares[1]), Vec::add(squares[2], squares[3])));
  return 1.0F / __builtin_sqrtf(total / static_cast<float>(n) + eps);
}

template <class Weight, class Out>
inline void scale_row(const float* in, float factor, const Weight* weight, Out* out, int64_t n) {
  const Vec::F f = Vec::set1(factor);
  for_each_vector(n, [&](int64_t i, auto lanes) {
    store(out + i, Vec::mul(Vec::mul(load(in + i, lanes), f), load(weight + i, lanes)), lanes);
  });
}

inline void scale_row(const float* in, float factor, const void* weight, DType weight_dtype, void* out, DType out_dtype,
                      int64_t n) {
  visit_floating(weight_dtype, [&]<class Weight>() {
    visit_floating(out_dtype, [&]<class Out>() {
      scale_row(in, factor, static_cast<const Weight*>(weight), static_cast<Out*>(out), n);
    });
  });
}

inline void rms_norm_row(const float* in, const void* weight, DType weight_dtype, float eps, void* out, DType out_dtype,
                         int64_t n) {
  scale_row(in, inverse_rms<false>(in, nullptr, nullptr, eps, n), weight, weight_dtype, out, out_dtype, n);
}

inline void add_rms_norm_row(float* residual, const float* delta, const void* weight, DType weight_dtype, float eps,
                             void* out, DType out_dtype, int64_t n) {
  const float factor = inverse_rms<true>(residual, delta, residual, eps, n);
  scale_row(residual, factor, weight, weight_dtype, out, out_dtype, n);
}

inline void rope_head(float* head, const float* cos, const float* sin, int64_t half) {
  for_each_vector(half, [&](int64_t i, auto lanes) {
    const Vec::F a = load(head + i, lanes), b = load(head + half + i, lanes);
    const Vec::F c = load(cos + i, lanes), s = load(sin + i, lanes);
    const Vec::F minus_b = Vec::sub(Vec::zero(), b);
    store(head + i, Vec::fma(a, c, Vec::mul(minus_b, s)), lanes);
    store(head + half + i, Vec::fma(b, c, Vec::mul(a, s)), lanes);
  });
}

inline void swiglu_row(const float* gate, const float* up, void* out, DType out_dtype, int64_t n) {
  visit_floating(out_dtype, [&]<class Out>() {
    Out* result = static_cast<Out*>(out);
    for_each_vector(n, [&](int64_t i, auto lanes) {
      const Vec::F g = load(gate + i, lanes);
      const Vec::F one_plus_exp = Vec::add(Vec::set1(1.0F), exp(Vec::sub(Vec::zero(), g)));
      store(result + i, Vec::mul(Vec::div(g, one_plus_exp), load(up + i, lanes)), lanes);
    });
  });
}

inline void widen_row(const void* in, DType in_dtype, float* out, int64_t n) {
  visit_floating(in_dtype, [&]<class In>() {
    const In* source = static_cast<const In*>(in);
    for_each_vector(n, [&](int64_t i, auto lanes) { store(out + i, load(source + i, lanes), lanes); });
  });
}

inline int64_t argmax_row(const float* in, int64_t n) {
  const float lowest = -__builtin_inff();
  Vec::F best[4] = {Vec::set1(lowest), Vec::set1(lowest), Vec::set1(lowest), Vec::set1(lowest)};
  int64_t i = 0;
  for (; i + 4 * Vec::kWidth <= n; i += 4 * Vec::kWidth) {
    for (int k = 0; k < 4; ++k) best[k] = Vec::max(Vec::load(in + i + k * Vec::kWidth), best[k]);  // NaN: keeps best
  }
  float highest = max_lanes(Vec::max(Vec::max(best[0], best[1]), Vec::max(best[2], best[3])));
  for (; i < n; ++i) highest = in[i] > highest ? in[i] : highest;
  for (i = 0; i < n; i += Vec::kWidth) {
    const int count = n - i < Vec::kWidth ? static_cast<int>(n - i) : Vec::kWidth;
    const Vec::F x = count == Vec::kWidth ? Vec::load(in + i) : Vec::load_first(in + i, count);
    const int lane = Vec::find(x, highest, count);
    if (lane >= 0) return i + lane;
  }
  return 0;
}

constexpr RowOps kRowOps = {rms_norm_row, add_rms_norm_row, rope_head, swiglu_row, widen_row, argmax_row};

}  // namespace
}  // namespace lockstep::cpu
