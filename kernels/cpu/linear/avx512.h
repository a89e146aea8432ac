// What the AVX-512 levels share. For files compiled with AVX-512 flags only; everything has internal linkage there.
// Alone: -mavx512f -mavx512bw -mavx512dq -mavx512vl
#pragma once

#include <cstdint>
#include <immintrin.h>

namespace lockstep::cpu {
namespace {

struct Avx512 {
  using V = __m512;
  // 12 x 2 sums take 24 of the 32 registers. Few rows wait for memory: four panels at once keep more of it in flight.
  static constexpr int kLanes = 16, kMaxRows = 12, kWideRows = 6, kPanels = 2, kSubsteps = 1;
  static V zero() { return _mm512_setzero_ps(); }
  static V add(V a, V b) { return _mm512_add_ps(a, b); }
  static void store(float* out, V v) { _mm512_storeu_ps(out, v); }
  static V load_sums(const float* in) { return _mm512_loadu_ps(in); }
  static void store_halves(const float* in, uint16_t* out, int count) {
    for (int i = 0; i < count; i += 16) {
      const int n = count - i < 16 ? count - i : 16;
      const __m256i halves = _mm512_cvtps_ph(_mm512_loadu_ps(in + i), _MM_FROUND_TO_NEAREST_INT);
      _mm256_mask_storeu_epi16(out + i, static_cast<__mmask16>((1U << n) - 1U), halves);
    }
  }
};

}  // namespace
}  // namespace lockstep::cpu
