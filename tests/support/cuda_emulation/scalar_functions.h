// CUDA's functions of one thread, emulated: rounding-named arithmetic, bits, atomics, cached loads, minimum and
// maximum. The approximations of the device (__expf, __logf, rsqrtf, __fdividef) are the host's exact functions here.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#define CUDART_INF_F (std::numeric_limits<float>::infinity())
#define CUDART_NAN_F (std::numeric_limits<float>::quiet_NaN())
#define CUDART_INF (std::numeric_limits<double>::infinity())
#define CUDART_NAN (std::numeric_limits<double>::quiet_NaN())

inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fdividef(float a, float b) { return a / b; }
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline float __frcp_rn(float a) { return 1.0F / a; }
inline float __fsqrt_rn(float a) { return std::sqrt(a); }
inline float __frsqrt_rn(float a) { return static_cast<float>(1.0 / std::sqrt(static_cast<double>(a))); }
inline float rsqrtf(float a) { return __frsqrt_rn(a); }
inline double rsqrt(double a) { return 1.0 / std::sqrt(a); }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dsub_rn(double a, double b) { return a - b; }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline double __drcp_rn(double a) { return 1.0 / a; }
inline double __dsqrt_rn(double a) { return std::sqrt(a); }
inline double __fma_rn(double a, double b, double c) { return std::fma(a, b, c); }
// Macros, as the C library declares functions of these names for itself.
#define __expf(x) (::std::exp(static_cast<float>(x)))
#define __exp2f(x) (::std::exp2(static_cast<float>(x)))
#define __logf(x) (::std::log(static_cast<float>(x)))
#define __log2f(x) (::std::log2(static_cast<float>(x)))

inline unsigned int __float_as_uint(float x) { return std::bit_cast<unsigned int>(x); }
inline float __uint_as_float(unsigned int x) { return std::bit_cast<float>(x); }
inline int __float_as_int(float x) { return std::bit_cast<int>(x); }
inline float __int_as_float(int x) { return std::bit_cast<float>(x); }
inline long long __double_as_longlong(double x) { return std::bit_cast<long long>(x); }
inline double __longlong_as_double(long long x) { return std::bit_cast<double>(x); }
inline int __float2int_rn(float x) { return static_cast<int>(std::lrint(x)); }
inline int __float2int_rz(float x) { return static_cast<int>(x); }
inline int __float2int_rd(float x) { return static_cast<int>(std::floor(x)); }
inline float __int2float_rn(int x) { return static_cast<float>(x); }
inline float __uint2float_rn(unsigned int x) { return static_cast<float>(x); }
inline float __double2float_rn(double x) { return static_cast<float>(x); }
inline float __saturatef(float x) { return x > 0.0F ? std::min(x, 1.0F) : 0.0F; }

inline unsigned int __umulhi(unsigned int a, unsigned int b) {
  return static_cast<unsigned int>(uint64_t{a} * b >> 32);
}
inline int __mulhi(int a, int b) { return static_cast<int>(int64_t{a} * b >> 32); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<unsigned long long>(static_cast<Wide>(a) * b >> 64);
}
inline int __popc(unsigned int x) { return std::popcount(x); }
inline int __popcll(unsigned long long x) { return std::popcount(x); }
inline int __clz(int x) { return std::countl_zero(static_cast<unsigned int>(x)); }
inline int __clzll(long long x) { return std::countl_zero(static_cast<unsigned long long>(x)); }
inline int __ffs(int x) { return x == 0 ? 0 : std::countr_zero(static_cast<unsigned int>(x)) + 1; }
inline int __ffsll(long long x) { return x == 0 ? 0 : std::countr_zero(static_cast<unsigned long long>(x)) + 1; }
inline unsigned int __brev(unsigned int x) {
  unsigned int reversed = 0;
  for (int i = 0; i < 32; ++i) reversed |= (x >> i & 1U) << (31 - i);
  return reversed;
}
inline unsigned int __byte_perm(unsigned int low, unsigned int high, unsigned int selector) {
  const uint64_t bytes = uint64_t{high} << 32 | low;
  unsigned int result = 0;
  for (unsigned int i = 0; i < 4; ++i) {
    result |= static_cast<unsigned int>(bytes >> (selector >> (4 * i) & 7U) * 8 & 0xffU) << (8 * i);
  }
  return result;
}
inline unsigned int __funnelshift_l(unsigned int low, unsigned int high, unsigned int shift) {
  return static_cast<unsigned int>((uint64_t{high} << 32 | low) << (shift & 31U) >> 32);
}
inline unsigned int __funnelshift_r(unsigned int low, unsigned int high, unsigned int shift) {
  return static_cast<unsigned int>((uint64_t{high} << 32 | low) >> (shift & 31U));
}

template <class T>
T __ldg(const T* address) {
  return *address;
}
template <class T>
T __ldcs(const T* address) {
  return *address;
}
template <class T>
T __ldcg(const T* address) {
  return *address;
}
template <class T>
T __ldca(const T* address) {
  return *address;
}
template <class T>
void __stcs(T* address, T value) {
  *address = value;
}
template <class T>
void __stcg(T* address, T value) {
  *address = value;
}
inline void __threadfence_block() { std::atomic_thread_fence(std::memory_order_seq_cst); }
inline void __threadfence() { std::atomic_thread_fence(std::memory_order_seq_cst); }
inline void __threadfence_system() { std::atomic_thread_fence(std::memory_order_seq_cst); }
inline void __nanosleep(unsigned int) {}

// Atomic on the host too: kernels of other OS threads may use the same memory.
#define LS_EMULATED_ATOMICS(type)                                                                        \
  inline type atomicAdd(type* address, type value) {                                                     \
    return std::atomic_ref<type>(*address).fetch_add(value, std::memory_order_relaxed);                  \
  }                                                                                                      \
  inline type atomicExch(type* address, type value) {                                                    \
    return std::atomic_ref<type>(*address).exchange(value, std::memory_order_relaxed);                   \
  }                                                                                                      \
  inline type atomicCAS(type* address, type expected, type value) {                                      \
    std::atomic_ref<type>(*address).compare_exchange_strong(expected, value, std::memory_order_relaxed); \
    return expected;                                                                                     \
  }                                                                                                      \
  inline type atomicMax(type* address, type value) {                                                     \
    const std::atomic_ref<type> target(*address);                                                        \
    type seen = target.load(std::memory_order_relaxed);                                                  \
    while (seen < value && !target.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {}     \
    return seen;                                                                                         \
  }                                                                                                      \
  inline type atomicMin(type* address, type value) {                                                     \
    const std::atomic_ref<type> target(*address);                                                        \
    type seen = target.load(std::memory_order_relaxed);                                                  \
    while (value < seen && !target.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {}     \
    return seen;                                                                                         \
  }                                                                                                      \
  inline type atomicOr(type* address, type value) {                                                      \
    return std::atomic_ref<type>(*address).fetch_or(value, std::memory_order_relaxed);                   \
  }                                                                                                      \
  inline type atomicAnd(type* address, type value) {                                                     \
    return std::atomic_ref<type>(*address).fetch_and(value, std::memory_order_relaxed);                  \
  }
LS_EMULATED_ATOMICS(int)
LS_EMULATED_ATOMICS(unsigned int)
LS_EMULATED_ATOMICS(unsigned long long)
#undef LS_EMULATED_ATOMICS

#define LS_EMULATED_ORDER(result, a_type, b_type)                                                             \
  inline result min(a_type a, b_type b) {                                                                     \
    return static_cast<result>(b) < static_cast<result>(a) ? static_cast<result>(b) : static_cast<result>(a); \
  }                                                                                                           \
  inline result max(a_type a, b_type b) {                                                                     \
    return static_cast<result>(a) < static_cast<result>(b) ? static_cast<result>(b) : static_cast<result>(a); \
  }
LS_EMULATED_ORDER(int, int, int)
LS_EMULATED_ORDER(unsigned int, unsigned int, unsigned int)
LS_EMULATED_ORDER(unsigned int, int, unsigned int)
LS_EMULATED_ORDER(unsigned int, unsigned int, int)
LS_EMULATED_ORDER(long, long, long)
LS_EMULATED_ORDER(unsigned long, unsigned long, unsigned long)
LS_EMULATED_ORDER(unsigned long, long, unsigned long)
LS_EMULATED_ORDER(unsigned long, unsigned long, long)
LS_EMULATED_ORDER(long long, long long, long long)
LS_EMULATED_ORDER(unsigned long long, unsigned long long, unsigned long long)
LS_EMULATED_ORDER(unsigned long long, long long, unsigned long long)
LS_EMULATED_ORDER(unsigned long long, unsigned long long, long long)
#undef LS_EMULATED_ORDER
// As on the device, a NaN loses against a number.
inline float min(float a, float b) { return std::fmin(a, b); }
inline float max(float a, float b) { return std::fmax(a, b); }
inline double min(double a, double b) { return std::fmin(a, b); }
inline double max(double a, double b) { return std::fmax(a, b); }
inline double min(float a, double b) { return std::fmin(static_cast<double>(a), b); }
inline double max(float a, double b) { return std::fmax(static_cast<double>(a), b); }
inline double min(double a, float b) { return std::fmin(a, static_cast<double>(b)); }
inline double max(double a, float b) { return std::fmax(a, static_cast<double>(b)); }
