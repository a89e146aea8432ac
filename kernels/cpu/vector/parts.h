// Loops over a row in vectors, and the exponential: written once over `Vec`, compiled once per instruction-set level.
//
// Everything lies in unnamed namespaces, so that no instruction of a higher level can leak into a symbol that the
// linker shares with the rest of the binary. A tail runs the same arithmetic as a full vector: an element's bits do not
// depend on where in the row it stands.
#pragma once

#include "kernels/cpu/vector/vec.h"

#include <cstdint>

namespace lockstep::cpu {
namespace {

/// How many lanes of a vector belong to the row.
struct All {};
struct First {
  int count;  // 1 … Vec::kWidth - 1
};

/// Calls body(index, lanes) for every vector of a row of n elements.
template <class Body>
inline void for_each_vector(int64_t n, Body body) {
  int64_t i = 0;
  for (; i + Vec::kWidth <= n; i += Vec::kWidth) body(i, All{});
  if (i < n) body(i, First{static_cast<int>(n - i)});
}

template <class T>
inline Vec::F load(const T* p, All) {
  return Vec::load(p);
}
template <class T>
inline Vec::F load(const T* p, First lanes) {
  return Vec::load_first(p, lanes.count);
}
template <class T>
inline void store(T* p, Vec::F v, All) {
  Vec::store(p, v);
}
template <class T>
inline void store(T* p, Vec::F v, First lanes) {
  Vec::store_first(p, v, lanes.count);
}

/// The sum of all lanes as a balanced tree.
inline float sum_lanes(Vec::F v) {
  alignas(64) float lanes[Vec::kWidth];
  Vec::store(lanes, v);
  for (int step = Vec::kWidth / 2; step > 0; step /= 2) {
    for (int i = 0; i < step; ++i) lanes[i] += lanes[i + step];
  }
  return lanes[0];
}

/// The highest lane; NaN lanes are passed over.
inline float max_lanes(Vec::F v) {
  alignas(64) float lanes[Vec::kWidth];
  Vec::store(lanes, v);
  float best = -__builtin_inff();
  for (int i = 0; i < Vec::kWidth; ++i) best = lanes[i] > best ? lanes[i] : best;
  return best;
}

/// e^x to about 1 ulp, exactly 0 below -105 and infinity above 90; NaN stays NaN.
/// x = n ln 2 + r, |r| ≤ ln 2 / 2; e^r by its Taylor polynomial of degree 7 (remainder 6e-9).
inline Vec::F exp(Vec::F x) {
  x = Vec::max(Vec::set1(-105.0F), Vec::min(Vec::set1(90.0F), x));  // this order of operands keeps NaN
  const Vec::F magic = Vec::set1(12582912.0F);                      // 1.5 · 2^23: adding it rounds to an integer
  const Vec::F n = Vec::sub(Vec::fma(x, Vec::set1(1.44269504088896341F), magic), magic);
  // ln 2 in two parts, the first with enough trailing zeros for n · part to be exact without FMA too.
  Vec::F r = Vec::fma(n, Vec::set1(-0.693359375F), x);
  r = Vec::fma(n, Vec::set1(2.12194440e-4F), r);
  Vec::F y = Vec::set1(1.0F / 5040.0F);
  y = Vec::fma(y, r, Vec::set1(1.0F / 720.0F));
  y = Vec::fma(y, r, Vec::set1(1.0F / 120.0F));
  y = Vec::fma(y, r, Vec::set1(1.0F / 24.0F));
  y = Vec::fma(y, r, Vec::set1(1.0F / 6.0F));
  y = Vec::fma(y, r, Vec::set1(0.5F));
  y = Vec::fma(y, r, Vec::set1(1.0F));
  y = Vec::fma(y, r, Vec::set1(1.0F));
  return Vec::scale(y, n);
}

/// n as a compile-time constant in 1 … kMax.
template <int kValue>
struct Count {
  static constexpr int value = kValue;
};
template <int kMax, class Body>
inline void with_count(int n, Body body) {
  if constexpr (kMax > 1) {
    if (n < kMax) return with_count<kMax - 1>(n, body);
  }
  body(Count<kMax>{});
}

}  // namespace
}  // namespace lockstep::cpu
