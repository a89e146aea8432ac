// AVX512_BF16: vdpbf16ps adds two products of BF16 pairs to each F32 sum (subnormals count as zero).
#include "kernels/cpu/linear/avx512.h"
#include "kernels/cpu/linear/outer_product.h"

namespace lockstep::cpu {
namespace {

struct Dot : Avx512 {
  using X = uint32_t;  // a pair
  static constexpr int kStepBytes = 64;
  template <int>
  static __m512bh load(const char* w) {
    return (__m512bh)_mm512_loadu_si512(w);
  }
  template <int>
  static __m512bh expand(__m512bh raw) {
    return raw;
  }
  static __m512bh broadcast(const uint32_t* x) { return (__m512bh)_mm512_set1_epi32(static_cast<int>(*x)); }
  static V multiply_add(V sum, __m512bh w, __m512bh x) { return _mm512_dpbf16_ps(sum, w, x); }
};

}  // namespace

constinit const TileKernels kAvx512DotBf16 = {RowFormat::kPairs, 2, Dot::kMaxRows, outer_product_panels<Dot>,
                                              run_outer_product<Dot>};

}  // namespace lockstep::cpu
