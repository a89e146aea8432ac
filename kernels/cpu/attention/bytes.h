// `Bytes`: vectors of 32-bit integers, as many as `Vec` has floats, and dot products of four bytes in each. Exact on
// every level. Include in files compiled for one instruction-set level.
#pragma once

#include "kernels/cpu/vector/parts.h"

#include <cstdint>

namespace lockstep::cpu {
namespace {

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)

struct Bytes {
  using I = __m512i;

  static I load(const uint8_t* p) { return _mm512_loadu_si512(p); }
  static I broadcast(int32_t word) { return _mm512_set1_epi32(word); }
  static I add(I a, I b) { return _mm512_add_epi32(a, b); }
  static I sub(I a, I b) { return _mm512_sub_epi32(a, b); }
  template <int kBits>
  static I shift_left(I a) {
    return _mm512_slli_epi32(a, kBits);
  }
  template <int kBits>
  static I shift_right(I a) {
    return _mm512_srai_epi32(a, kBits);
  }
  static I low_halves(I a) { return _mm512_and_si512(a, _mm512_set1_epi8(15)); }
  static I high_halves(I a) { return low_halves(_mm512_srli_epi16(a, 4)); }
  static I round(Vec::F x) { return _mm512_cvtps_epi32(x); }
  static Vec::F to_float(I a) { return _mm512_cvtepi32_ps(a); }
  static int32_t sum(I a) { return _mm512_reduce_add_epi32(a); }
  /// The low byte of every lane.
  static void store_bytes(uint8_t* to, I a) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(a));
  }
  static I load_bytes(const uint8_t* p) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static Vec::F as_float(I bits) { return _mm512_castsi512_ps(bits); }
  static float highest(Vec::F x) { return _mm512_reduce_max_ps(x); }
  static float total(Vec::F x) { return _mm512_reduce_add_ps(x); }
  static Vec::F magnitude(Vec::F x) { return _mm512_abs_ps(x); }
#if defined(__AVX512VNNI__)
  /// By hand: GCC 12 copies and spills the sums of a block around its intrinsic, which takes twice the time.
  static I dot(I sum, I u, I s) {
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(u), "v"(s));
    return sum;
  }
#else
  static I dot(I sum, I u, I s) {
    const I even =
        _mm512_madd_epi16(_mm512_and_si512(u, _mm512_set1_epi16(255)), _mm512_srai_epi16(_mm512_slli_epi16(s, 8), 8));
    const I odd = _mm512_madd_epi16(_mm512_srli_epi16(u, 8), _mm512_srai_epi16(s, 8));
    return _mm512_add_epi32(sum, _mm512_add_epi32(even, odd));
  }
#endif
};

#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)

struct Bytes {
  using I = __m256i;

  static I load(const uint8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const I*>(p)); }
  static I broadcast(int32_t word) { return _mm256_set1_epi32(word); }
  static I add(I a, I b) { return _mm256_add_epi32(a, b); }
  static I sub(I a, I b) { return _mm256_sub_epi32(a, b); }
  template <int kBits>
  static I shift_left(I a) {
    return _mm256_slli_epi32(a, kBits);
  }
  template <int kBits>
  static I shift_right(I a) {
    return _mm256_srai_epi32(a, kBits);
  }
  static I low_halves(I a) { return _mm256_and_si256(a, _mm256_set1_epi8(15)); }
  static I high_halves(I a) { return low_halves(_mm256_srli_epi16(a, 4)); }
  static I round(Vec::F x) { return _mm256_cvtps_epi32(x); }
  static Vec::F to_float(I a) { return _mm256_cvtepi32_ps(a); }
  static int32_t sum(I a) {
    alignas(32) int32_t lanes[8];
    _mm256_store_si256(reinterpret_cast<I*>(lanes), a);
    int32_t total = 0;
    for (const int32_t lane : lanes) total += lane;
    return total;
  }
  static void store_bytes(uint8_t* to, I a) {
    const I low = _mm256_shuffle_epi8(a, _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
                                                          0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1));
    const int32_t words[2] = {_mm256_extract_epi32(low, 0), _mm256_extract_epi32(low, 4)};
    __builtin_memcpy(to, words, sizeof(words));
  }
  static I load_bytes(const uint8_t* p) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  }
  static Vec::F as_float(I bits) { return _mm256_castsi256_ps(bits); }
  static float highest(Vec::F x) {
    alignas(32) float lanes[8];
    _mm256_store_ps(lanes, x);
    float most = lanes[0];
    for (const float lane : lanes) most = lane > most ? lane : most;
    return most;
  }
  static float total(Vec::F x) { return sum_lanes(x); }
  static Vec::F magnitude(Vec::F x) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0F), x); }
  static I dot(I sum, I u, I s) {
    const I even =
        _mm256_madd_epi16(_mm256_and_si256(u, _mm256_set1_epi16(255)), _mm256_srai_epi16(_mm256_slli_epi16(s, 8), 8));
    const I odd = _mm256_madd_epi16(_mm256_srli_epi16(u, 8), _mm256_srai_epi16(s, 8));
    return _mm256_add_epi32(sum, _mm256_add_epi32(even, odd));
  }
};

#else

struct Bytes {
  typedef int32_t I __attribute__((vector_size(16)));

  static I load(const uint8_t* p) {
    I v;
    __builtin_memcpy(&v, p, sizeof(v));
    return v;
  }
  static I broadcast(int32_t word) { return I{word, word, word, word}; }
  static I add(I a, I b) { return a + b; }
  static I sub(I a, I b) { return a - b; }
  template <int kBits>
  static I shift_left(I a) {
    return a << kBits;
  }
  template <int kBits>
  static I shift_right(I a) {
    return a >> kBits;
  }
  static I low_halves(I a) { return a & broadcast(0x0f0f0f0f); }
  static I high_halves(I a) { return low_halves(a >> 4); }
  /// Ties to even, |x| < 2^22; any integer for NaN.
  static I round(Vec::F x) {
    const Vec::F magic = Vec::set1(12582912.0F);
    const Vec::F shifted = x + magic;
    I bits;
    __builtin_memcpy(&bits, &shifted, sizeof(bits));
    return bits - broadcast(0x4b400000);
  }
  static Vec::F to_float(I a) { return __builtin_convertvector(a, Vec::F); }
  static int32_t sum(I a) { return a[0] + a[1] + a[2] + a[3]; }
  static void store_bytes(uint8_t* to, I a) {
    for (int i = 0; i < 4; ++i) to[i] = static_cast<uint8_t>(a[i] & 255);
  }
  static I load_bytes(const uint8_t* p) { return I{p[0], p[1], p[2], p[3]}; }
  static Vec::F as_float(I bits) {
    Vec::F x;
    __builtin_memcpy(&x, &bits, sizeof(x));
    return x;
  }
  static float highest(Vec::F x) {
    float most = x[0];
    for (int i = 1; i < 4; ++i) most = x[i] > most ? x[i] : most;
    return most;
  }
  static float total(Vec::F x) { return sum_lanes(x); }
  static Vec::F magnitude(Vec::F x) { return Vec::max(x, -x); }
  static I dot(I sum, I u, I s) {
    for (int byte = 0; byte < 4; ++byte) sum += (u >> 8 * byte & broadcast(255)) * ((s << (24 - 8 * byte)) >> 24);
    return sum;
  }
};

#endif

}  // namespace
}  // namespace lockstep::cpu
