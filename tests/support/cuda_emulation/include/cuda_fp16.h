// Stands in for CUDA's header of this name where device code is emulated: binary16 values with the conversions of
// core/dtype.h (round to nearest, ties to even).
#pragma once

#include "core/dtype.h"
#include "tests/support/cuda_emulation/include/cuda_runtime.h"

#include <cstdint>

// NOLINTBEGIN(readability-identifier-naming): the names are CUDA's
struct __half_raw {
  unsigned short x;
};

struct alignas(2) __half {
  __half() = default;
  __half(__half_raw raw) : __x(raw.x) {}
  __half(float value) : __x(lockstep::to_half(value).bits) {}
  explicit __half(double value) : __half(static_cast<float>(value)) {}
  explicit __half(int value) : __half(static_cast<float>(value)) {}
  operator float() const { return lockstep::to_float(lockstep::Half{__x}); }
  operator __half_raw() const { return {__x}; }
  unsigned short __x;
};

struct alignas(4) __half2 {
  __half2() = default;
  __half2(__half low, __half high) : x(low), y(high) {}
  __half x, y;
};
using half = __half;
using half2 = __half2;

inline float __half2float(__half value) { return static_cast<float>(value); }
inline __half __float2half(float value) { return {value}; }
inline __half __float2half_rn(float value) { return {value}; }
inline __half2 __float2half2_rn(float value) { return {value, value}; }
inline __half2 __floats2half2_rn(float low, float high) { return {low, high}; }
inline __half2 __float22half2_rn(float2 value) { return {value.x, value.y}; }
inline float2 __half22float2(__half2 value) { return {value.x, value.y}; }
inline __half2 __halves2half2(__half low, __half high) { return {low, high}; }
inline __half2 __half2half2(__half value) { return {value, value}; }
inline __half __low2half(__half2 value) { return value.x; }
inline __half __high2half(__half2 value) { return value.y; }
inline unsigned short __half_as_ushort(__half value) { return value.__x; }
inline short __half_as_short(__half value) { return static_cast<short>(value.__x); }
inline __half __ushort_as_half(unsigned short bits) { return __half_raw{bits}; }
inline __half __short_as_half(short bits) { return __half_raw{static_cast<unsigned short>(bits)}; }
inline float __low2float(__half2 value) { return value.x; }
inline float __high2float(__half2 value) { return value.y; }
// NOLINTEND(readability-identifier-naming)
