// AVX-512 without BF16 dot products: halves are widened to F32 and multiplied by FMA.
#include "kernels/cpu/linear/avx512.h"

#include "kernels/cpu/linear/outer_product.h"

namespace lockstep::cpu {
namespace {

struct Fma : Avx512 {
  using X = float;
  static V broadcast(const float* x) { return _mm512_set1_ps(*x); }
  static V multiply_add(V sum, V w, V x) { return _mm512_fmadd_ps(w, x, sum); }
};

struct FmaF32 : Fma {
  static constexpr int kStepBytes = 64;
  template <int>
  static V load(const char* w) {
    return _mm512_loadu_ps(w);
  }
  template <int>
  static V expand(V raw) {
    return raw;
  }
};

struct FmaF16 : Fma {
  static constexpr int kStepBytes = 32;
  template <int>
  static V load(const char* w) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(w)));
  }
  template <int>
  static V expand(V raw) {
    return raw;
  }
};

struct FmaBf16 : Fma {
  static constexpr int kStepBytes = 64, kSubsteps = 2;
  template <int>
  static __m512i load(const char* w) {
    return _mm512_loadu_si512(w);
  }
  template <int kSubstep>
  static V expand(__m512i raw) {
    if constexpr (kSubstep == 0) return _mm512_castsi512_ps(_mm512_slli_epi32(raw, 16));
    return _mm512_castsi512_ps(_mm512_and_si512(raw, _mm512_set1_epi32(static_cast<int>(0xffff0000U))));
  }
};

void expand_halves(const uint16_t* in, float* out, int64_t count) {
  for (int64_t i = 0; i < count; i += 16) {
    const int64_t n = count - i < 16 ? count - i : 16;
    const __mmask16 mask = static_cast<__mmask16>((1U << n) - 1U);
    _mm512_mask_storeu_ps(out + i, mask, _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, in + i)));
  }
}

}  // namespace

constinit const TileKernels kAvx512Bf16 = {RowFormat::kFloats, 2, FmaBf16::kMaxRows, outer_product_panels<FmaBf16>,
                                           run_outer_product<FmaBf16>};
constinit const TileKernels kAvx512F32 = {RowFormat::kFloats, 1, FmaF32::kMaxRows, outer_product_panels<FmaF32>,
                                          run_outer_product<FmaF32>};
constinit const TileKernels kAvx512F16 = {
    RowFormat::kFloats, 1, FmaF16::kMaxRows, outer_product_panels<FmaF16>, run_outer_product<FmaF16>, expand_halves};

}  // namespace lockstep::cpu
