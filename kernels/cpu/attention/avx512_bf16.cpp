#include "kernels/cpu/attention/attend.h"

namespace lockstep::cpu {
namespace {

static_assert(Vec::kWidth == 16, "this file needs the compiler flags of its level");

/// Queries are rounded to BF16 once, as the keys were; products and sums are F32 (vdpbf16ps).
struct Bf16Scores {
  using Element = BFloat16;
  using Query = uint32_t;  // a pair of BF16, the even dimension low

  static Query pack(float even, float odd) { return round(even) | round(odd) << 16; }
  static __m512bh load(const BFloat16* k) { return reinterpret_cast<__m512bh>(_mm512_loadu_si512(k)); }
  static __m512bh broadcast(const Query* q) {
    return reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int>(*q)));
  }
  static Vec::F multiply_add(Vec::F sum, __m512bh k, __m512bh q) { return _mm512_dpbf16_ps(sum, k, q); }

 private:
  // to_bfloat16(), without sharing an inline function with files of other levels.
  static uint32_t round(float value) {
    const uint32_t bits = __builtin_bit_cast(uint32_t, value);
    if (value != value) return bits >> 16 | 0x40U;
    return (bits + 0x7fffU + (bits >> 16 & 1U)) >> 16;
  }
};

}  // namespace

void attend_avx512_bf16(const AttentionTile& tile) { attend<Bf16Scores>(tile); }

}  // namespace lockstep::cpu
