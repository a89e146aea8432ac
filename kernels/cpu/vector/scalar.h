// Four floats by the compiler's portable vectors: runs on every machine. No fused multiply-add: the product is rounded.
#pragma once

#include "core/dtype.h"

namespace lockstep::cpu {
namespace {

struct Vec {
  static constexpr int kWidth = 4;
  static constexpr int kMaxRows = 4, kMaxColumns = 2;  // block of accumulators: 8 of 16 registers
  typedef float F __attribute__((vector_size(16)));
  struct Pairs {
    F even, odd;
  };

  static F set1(float x) { return F{x, x, x, x}; }
  static F zero() { return F{}; }
  static F add(F a, F b) { return a + b; }
  static F sub(F a, F b) { return a - b; }
  static F mul(F a, F b) { return a * b; }
  static F div(F a, F b) { return a / b; }
  static F fma(F a, F b, F c) { return a * b + c; }
  static F min(F a, F b) { return a < b ? a : b; }  // b if either is NaN
  static F max(F a, F b) { return a > b ? a : b; }
  /// x · 2^n for whole n in [-152, 130], in two steps: 2^n alone may lie outside the range of floats.
  static F scale(F x, F n) {
    for (int i = 0; i < kWidth; ++i) {
      // A NaN in n has a NaN in x: any power of two will do.
      const int power = n[i] == n[i] ? static_cast<int>(n[i]) : 0;
      const int half = power >> 1;
      x[i] = x[i] * power_of_two(half) * power_of_two(power - half);
    }
    return x;
  }
  /// Lanes outside [first, last) become -inf.
  static F keep(F x, int first, int last) {
    for (int i = 0; i < kWidth; ++i) {
      if (i < first || i >= last) x[i] = -__builtin_inff();
    }
    return x;
  }
  /// The first lane among `count` equal to `value`, or -1.
  static int find(F x, float value, int count) {
    for (int i = 0; i < count; ++i) {
      if (x[i] == value) return i;
    }
    return -1;
  }

  template <class T>
  static F load(const T* p) {
    return F{to_float(p[0]), to_float(p[1]), to_float(p[2]), to_float(p[3])};
  }
  template <class T>
  static F load_first(const T* p, int n) {
    F v{};
    for (int i = 0; i < n; ++i) v[i] = to_float(p[i]);
    return v;
  }
  template <class T>
  static void store(T* p, F v) {
    for (int i = 0; i < kWidth; ++i) p[i] = from_float<T>(v[i]);
  }
  template <class T>
  static void store_first(T* p, F v, int n) {
    for (int i = 0; i < n; ++i) p[i] = from_float<T>(v[i]);
  }
  /// kWidth neighbouring pairs, split into first and second members.
  template <class T>
  static Pairs load_pairs(const T* p) {
    return {F{to_float(p[0]), to_float(p[2]), to_float(p[4]), to_float(p[6])},
            F{to_float(p[1]), to_float(p[3]), to_float(p[5]), to_float(p[7])}};
  }

 private:
  static float power_of_two(int n) { return std::bit_cast<float>(static_cast<uint32_t>(n + 127) << 23); }
};

}  // namespace
}  // namespace lockstep::cpu
