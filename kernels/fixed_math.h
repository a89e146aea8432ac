// Exponential and logarithm by additions, multiplications and divisions alone: the same bits on every IEEE machine,
// which a library's own do not promise. For probabilities; both are within 2 ulp. The exponential is for device code
// too.
#pragma once

#include "core/host_device.h"

#include <bit>
#include <cstdint>

namespace lockstep {

inline constexpr double kLn2High = 6.93147180369123816490e-01;  // ln 2 in two parts (fdlibm): n * high is exact
inline constexpr double kLn2Low = 1.90821492927058770002e-10;

/// One rounded operation each: nvcc may not contract these into others; host code is compiled with -ffp-contract=off.
namespace rounded {
LS_HOST_DEVICE inline double add(double a, double b) {
#if defined(__CUDA_ARCH__)
  return __dadd_rn(a, b);
#else
  return a + b;
#endif
}
LS_HOST_DEVICE inline double subtract(double a, double b) {
#if defined(__CUDA_ARCH__)
  return __dsub_rn(a, b);
#else
  return a - b;
#endif
}
LS_HOST_DEVICE inline double multiply(double a, double b) {
#if defined(__CUDA_ARCH__)
  return __dmul_rn(a, b);
#else
  return a * b;
#endif
}
LS_HOST_DEVICE inline double divide(double a, double b) {
#if defined(__CUDA_ARCH__)
  return __ddiv_rn(a, b);
#else
  return a / b;
#endif
}
}  // namespace rounded

/// e^x for x ≤ 0; 0 where that is below the least normal number (x < -708.4) and for NaN. No
/// branches, so that a loop over it can become vector code.
LS_HOST_DEVICE inline double exp_nonpositive(double x) {
  constexpr double kMagic = 0x1.8p52;  // adding it rounds to an integer, which then stands in the low bits
  constexpr double kReciprocalFactorials[] = {
      1.0,        1.0,         1.0 / 2,      1.0 / 6,       1.0 / 24,       1.0 / 120,       1.0 / 720,
      1.0 / 5040, 1.0 / 40320, 1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800};
  constexpr double kLowest = -1023.0 * 0.6931471805599453;  // where the exponent's bits become those of 0
  const double within = x > kLowest ? x : kLowest;
  const double shifted = rounded::add(rounded::multiply(within, 1.4426950408889634074), kMagic);
  const double n = rounded::subtract(shifted, kMagic);
  const double r = rounded::subtract(rounded::subtract(within, rounded::multiply(n, kLn2High)),
                                     rounded::multiply(n, kLn2Low));  // |r| ≤ ln 2 / 2
  double y = kReciprocalFactorials[13];                               // Taylor; the remainder is below 1e-17
  for (int k = 12; k >= 0; --k) y = rounded::add(rounded::multiply(y, r), kReciprocalFactorials[k]);
  const uint64_t exponent = (std::bit_cast<uint64_t>(shifted) + 1023) << 52;  // the magic's own bits fall out
  return rounded::multiply(y, std::bit_cast<double>(exponent));
}

/// ln x for finite, normal x > 0.
inline double log_positive(double x) {
  const auto bits = std::bit_cast<uint64_t>(x);
  // x = m * 2^n with m in [sqrt(1/2), sqrt(2)).
  constexpr uint64_t kSqrtHalf = 0x3fe6a09e667f3bcd;
  const auto n = static_cast<double>(static_cast<int64_t>(bits - kSqrtHalf) >> 52);
  const double m = std::bit_cast<double>(bits - (static_cast<uint64_t>(static_cast<int64_t>(n)) << 52));
  const double f = (m - 1.0) / (m + 1.0), square = f * f;  // |f| < 0.172
  double sum = 0.0;
  for (int k = 23; k >= 3; k -= 2) sum = (sum + 1.0 / k) * square;  // 2 artanh(f); the remainder is below 1e-19
  return n * kLn2High + (2.0 * f + (2.0 * f * sum + n * kLn2Low));
}

}  // namespace lockstep
