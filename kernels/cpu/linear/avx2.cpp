// AVX2 + FMA + F16C: two vectors of eight columns per panel, fused multiply-add.
#include "kernels/cpu/linear/outer_product.h"

#include <immintrin.h>

namespace lockstep::cpu {
namespace {

struct Avx2 {
  using V = __m256;
  using X = float;
  // 6 x 2 sums leave 4 of the 16 registers for weights and the broadcast.
  static constexpr int kLanes = 8, kMaxRows = 6, kWideRows = 0, kPanels = 1, kSubsteps = 1;
  static V zero() { return _mm256_setzero_ps(); }
  static V broadcast(const float* x) { return _mm256_broadcast_ss(x); }
  static V multiply_add(V sum, V w, V x) { return _mm256_fmadd_ps(w, x, sum); }
  static V add(V a, V b) { return _mm256_add_ps(a, b); }
  static void store(float* out, V v) { _mm256_storeu_ps(out, v); }
  static V load_sums(const float* in) { return _mm256_loadu_ps(in); }
  static void store_halves(const float* in, uint16_t* out, int count) {
    for (int i = 0; i < count; i += 8) {
      alignas(16) uint16_t rounded[8];
      const __m128i halves = _mm256_cvtps_ph(_mm256_loadu_ps(in + i), _MM_FROUND_TO_NEAREST_INT);
      _mm_store_si128(reinterpret_cast<__m128i*>(rounded), halves);
      const int n = count - i < 8 ? count - i : 8;
      for (int j = 0; j < n; ++j) out[i + j] = rounded[j];
    }
  }
};

struct Avx2F32 : Avx2 {
  static constexpr int kStepBytes = 64;
  template <int kVector>
  static V load(const char* w) {
    return _mm256_loadu_ps(reinterpret_cast<const float*>(w) + 8 * kVector);
  }
  template <int>
  static V expand(V raw) {
    return raw;
  }
};

struct Avx2F16 : Avx2 {
  static constexpr int kStepBytes = 32;
  template <int kVector>
  static V load(const char* w) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(w) + kVector));
  }
  template <int>
  static V expand(V raw) {
    return raw;
  }
};

struct Avx2Bf16 : Avx2 {
  static constexpr int kStepBytes = 64, kSubsteps = 2, kMaxRows = 5;
  template <int kVector>
  static __m256i load(const char* w) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w) + kVector);
  }
  template <int kSubstep>
  static V expand(__m256i raw) {
    if constexpr (kSubstep == 0) return _mm256_castsi256_ps(_mm256_slli_epi32(raw, 16));
    return _mm256_castsi256_ps(_mm256_and_si256(raw, _mm256_set1_epi32(static_cast<int>(0xffff0000U))));
  }
};

void expand_halves(const uint16_t* in, float* out, int64_t count) {
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in + i))));
  }
  for (; i < count; ++i) out[i] = _cvtsh_ss(in[i]);
}

}  // namespace

constinit const TileKernels kAvx2Bf16 = {RowFormat::kFloats, 2, Avx2Bf16::kMaxRows, outer_product_panels<Avx2Bf16>,
                                         run_outer_product<Avx2Bf16>};
constinit const TileKernels kAvx2F32 = {RowFormat::kFloats, 1, Avx2F32::kMaxRows, outer_product_panels<Avx2F32>,
                                        run_outer_product<Avx2F32>};
constinit const TileKernels kAvx2F16 = {
    RowFormat::kFloats, 1, Avx2F16::kMaxRows, outer_product_panels<Avx2F16>, run_outer_product<Avx2F16>, expand_halves};

}  // namespace lockstep::cpu
