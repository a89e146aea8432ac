// Sixteen floats: AVX-512 F, BW, DQ, VL. Include in files compiled for that level only.
// Alone: -mavx512f -mavx512bw -mavx512dq -mavx512vl
#pragma once

#include "core/dtype.h"

#include <immintrin.h>

namespace lockstep::cpu {
namespace {

struct Vec {
  static constexpr int kWidth = 16;
  static constexpr int kMaxRows = 6, kMaxColumns = 4;  // block of accumulators: 24 of 32 registers
  using F = __m512;
  struct Pairs {
    F even, odd;
  };

  static __mmask16 mask(int count) { return static_cast<__mmask16>((1U << count) - 1U); }
  static F set1(float x) { return _mm512_set1_ps(x); }
  static F zero() { return _mm512_setzero_ps(); }
  static F add(F a, F b) { return _mm512_add_ps(a, b); }
  static F sub(F a, F b) { return _mm512_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F div(F a, F b) { return _mm512_div_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static F min(F a, F b) { return _mm512_min_ps(a, b); }  // b if either is NaN
  static F max(F a, F b) { return _mm512_max_ps(a, b); }
  /// x · 2^n for whole n.
  static F scale(F x, F n) { return _mm512_scalef_ps(x, n); }
  /// Lanes outside [first, last) become -inf.
  static F keep(F x, int first, int last) {
    const __mmask16 kept = static_cast<__mmask16>(((1U << last) - 1U) & ~((1U << first) - 1U));
    return _mm512_mask_mov_ps(_mm512_set1_ps(-__builtin_inff()), kept, x);
  }
  /// The first lane among `count` equal to `value`, or -1.
  static int find(F x, float value, int count) {
    const unsigned hits = _mm512_cmp_ps_mask(x, set1(value), _CMP_EQ_OQ) & ((1U << count) - 1U);
    return hits == 0 ? -1 : __builtin_ctz(hits);
  }

  static F load(const float* p) { return _mm512_loadu_ps(p); }
  static F load(const Half* p) { return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
  static F load(const BFloat16* p) { return widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
  static F load_first(const float* p, int n) { return _mm512_maskz_loadu_ps(mask(n), p); }
  static F load_first(const Half* p, int n) { return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask(n), p)); }
  static F load_first(const BFloat16* p, int n) { return widen(_mm256_maskz_loadu_epi16(mask(n), p)); }

  static void store(float* p, F v) { _mm512_storeu_ps(p, v); }
  static void store(Half* p, F v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), to_half_bits(v)); }
  static void store(BFloat16* p, F v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), to_bfloat_bits(v)); }
  static void store_first(float* p, F v, int n) { _mm512_mask_storeu_ps(p, mask(n), v); }
  static void store_first(Half* p, F v, int n) { _mm256_mask_storeu_epi16(p, mask(n), to_half_bits(v)); }
  static void store_first(BFloat16* p, F v, int n) { _mm256_mask_storeu_epi16(p, mask(n), to_bfloat_bits(v)); }

  /// kWidth neighbouring pairs, split into first and second members.
  static Pairs load_pairs(const float* p) {
    const F a = _mm512_loadu_ps(p), b = _mm512_loadu_ps(p + 16);
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
    return {_mm512_permutex2var_ps(a, even, b), _mm512_permutex2var_ps(a, odd, b)};
  }
  static Pairs load_pairs(const BFloat16* p) {
    const __m512i bits = _mm512_loadu_si512(p);
    return {_mm512_castsi512_ps(_mm512_slli_epi32(bits, 16)),
            _mm512_castsi512_ps(_mm512_and_si512(bits, _mm512_set1_epi32(static_cast<int>(0xffff0000U))))};
  }
  static Pairs load_pairs(const Half* p) {
    const __m512i bits = _mm512_loadu_si512(p);
    return {_mm512_cvtph_ps(_mm512_cvtepi32_epi16(bits)),
            _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(bits, 16)))};
  }

 private:
  static F widen(__m256i bits) { return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16)); }
  static __m256i to_half_bits(F v) { return _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  // By integers rather than vcvtneps2bf16, which flushes subnormals: the same bits as to_bfloat16().
  static __m256i to_bfloat_bits(F v) {
    const __m512i bits = _mm512_castps_si512(v), high = _mm512_srli_epi32(bits, 16);
    const __m512i odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
    const __m512i rounded =
        _mm512_srli_epi32(_mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff))), 16);
    const __m512i quiet = _mm512_or_si512(high, _mm512_set1_epi32(0x40));
    return _mm512_cvtepi32_epi16(_mm512_mask_mov_epi32(rounded, _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q), quiet));
  }
};

}  // namespace
}  // namespace lockstep::cpu
