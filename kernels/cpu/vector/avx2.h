// Eight floats: AVX2, FMA, F16C. Include in files compiled for that level only.
// Alone: -mavx2 -mfma -mf16c
#pragma once

#include "core/dtype.h"

#include <immintrin.h>

namespace lockstep::cpu {
namespace {

struct Vec {
  static constexpr int kWidth = 8;
  static constexpr int kMaxRows = 4, kMaxColumns = 2;  // block of accumulators: 8 of 16 registers
  using F = __m256;
  struct Pairs {
    F even, odd;
  };

  static F set1(float x) { return _mm256_set1_ps(x); }
  static F zero() { return _mm256_setzero_ps(); }
  static F add(F a, F b) { return _mm256_add_ps(a, b); }
  static F sub(F a, F b) { return _mm256_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm256_mul_ps(a, b); }
  static F div(F a, F b) { return _mm256_div_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
  static F min(F a, F b) { return _mm256_min_ps(a, b); }  // b if either is NaN
  static F max(F a, F b) { return _mm256_max_ps(a, b); }
  /// x · 2^n for whole n in [-152, 130], in two steps: 2^n alone may lie outside the range of floats.
  static F scale(F x, F n) {
    const __m256i power = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(power, 1);
    return _mm256_mul_ps(_mm256_mul_ps(x, power_of_two(half)), power_of_two(_mm256_sub_epi32(power, half)));
  }
  /// Lanes outside [first, last) become -inf.
  static F keep(F x, int first, int last) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i kept = _mm256_and_si256(_mm256_cmpgt_epi32(lane, _mm256_set1_epi32(first - 1)),
                                          _mm256_cmpgt_epi32(_mm256_set1_epi32(last), lane));
    return _mm256_blendv_ps(_mm256_set1_ps(-__builtin_inff()), x, _mm256_castsi256_ps(kept));
  }
  /// The first lane among `count` equal to `value`, or -1.
  static int find(F x, float value, int count) {
    const unsigned all = static_cast<unsigned>(_mm256_movemask_ps(_mm256_cmp_ps(x, set1(value), _CMP_EQ_OQ)));
    const unsigned hits = all & ((1U << count) - 1U);
    return hits == 0 ? -1 : __builtin_ctz(hits);
  }

  static F load(const float* p) { return _mm256_loadu_ps(p); }
  static F load(const Half* p) { return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }
  static F load(const BFloat16* p) {
    const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
  }
  template <class T>
  static F load_first(const T* p, int n) {
    alignas(32) T lanes[kWidth] = {};
    __builtin_memcpy(lanes, p, static_cast<size_t>(n) * sizeof(T));
    return load(lanes);
  }

  static void store(float* p, F v) { _mm256_storeu_ps(p, v); }
  static void store(Half* p, F v) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  }
  static void store(BFloat16* p, F v) {
    const __m256i bits = _mm256_castps_si256(v), high = _mm256_srli_epi32(bits, 16);
    const __m256i odd = _mm256_and_si256(high, _mm256_set1_epi32(1));
    const __m256i rounded =
        _mm256_srli_epi32(_mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff))), 16);
    const __m256i quiet = _mm256_or_si256(high, _mm256_set1_epi32(0x40));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    const __m256i words = _mm256_blendv_epi8(rounded, quiet, nan);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), narrow(words));
  }
  template <class T>
  static void store_first(T* p, F v, int n) {
    alignas(32) T lanes[kWidth];
    store(lanes, v);
    __builtin_memcpy(p, lanes, static_cast<size_t>(n) * sizeof(T));
  }

  /// kWidth neighbouring pairs, split into first and second members.
  static Pairs load_pairs(const float* p) {
    const F a = _mm256_loadu_ps(p), b = _mm256_loadu_ps(p + 8);
    return {in_order(_mm256_shuffle_ps(a, b, 0x88)), in_order(_mm256_shuffle_ps(a, b, 0xdd))};
  }
  static Pairs load_pairs(const BFloat16* p) {
    const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return {_mm256_castsi256_ps(_mm256_slli_epi32(bits, 16)),
            _mm256_castsi256_ps(_mm256_and_si256(bits, _mm256_set1_epi32(static_cast<int>(0xffff0000U))))};
  }
  static Pairs load_pairs(const Half* p) {
    const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return {_mm256_cvtph_ps(narrow(_mm256_and_si256(bits, _mm256_set1_epi32(0xffff)))),
            _mm256_cvtph_ps(narrow(_mm256_srli_epi32(bits, 16)))};
  }

 private:
  static F power_of_two(__m256i n) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
  }
  // Undoes the interleaving of 128-bit halves.
  static F in_order(F v) { return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(v), 0xd8)); }
  // Eight 32-bit lanes below 2^16 to eight 16-bit lanes.
  static __m128i narrow(__m256i words) {
    return _mm256_castsi256_si128(_mm256_permute4x64_epi64(_mm256_packus_epi32(words, words), 0xd8));
  }
};

}  // namespace
}  // namespace lockstep::cpu
