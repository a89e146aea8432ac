// Fixed-point probabilities: how likely a token is relative to the best one, as an integer. Sums of integers do not
// depend on their order, so a block of threads, a partial sort and a plain loop draw the same token. For host and
// device.
//
// What is rounded: the division by the temperature and the exponential (IEEE double, fixed bits), then the weight, down
// to a multiple of 2^-44. Everything after that is exact: sums, shares of sums, comparisons. Weights below 2^-44 are 0:
// such tokens are never drawn; over a whole vocabulary of 2^19 they would have had less than 2^-25.
#pragma once

#include "core/philox.h"
#include "kernels/fixed_math.h"

#include <bit>
#include <cstdint>

namespace lockstep {

/// The weight of the best token, and of those with the same logit.
inline constexpr uint64_t kFullWeight = uint64_t{1} << 44;
/// Tokens of a row at most: sums of their weights stay below 2^63.
inline constexpr int64_t kMaxSampledVocabulary = int64_t{1} << 19;
/// A logit this many temperatures below the best has weight 0: 2^44 e^-31 = 0.6.
inline constexpr double kWeightlessTemperatures = 31.0;

/// floor(2^44 e^((logit - best) / temperature)). Both finite, logit ≤ best; temperature > 0. The temperature divides a
/// difference, so that a tiny one cannot overflow.
LS_HOST_DEVICE inline uint64_t sample_weight(float logit, float best, double temperature) {
  const double difference = rounded::subtract(static_cast<double>(logit), static_cast<double>(best));
  const double likelihood = exp_nonpositive(rounded::divide(difference, temperature));  // ≤ 1
  return static_cast<uint64_t>(static_cast<int64_t>(rounded::multiply(likelihood, 0x1p44)));
}

/// The least integer ≥ share · total, exactly; `total` from a share of 1 on, 0 for shares that are not positive.
/// total < 2^63.
LS_HOST_DEVICE inline uint64_t share_of(uint64_t total, double share) {
  if (share >= 1.0) return total;
  if (!(share > 0.0)) return 0;
  // share = digits · 2^-shift.
  const auto bits = std::bit_cast<uint64_t>(share);
  const auto exponent = static_cast<int>(bits >> 52);
  const uint64_t fraction = bits & ((uint64_t{1} << 52) - 1);
  const uint64_t digits = exponent == 0 ? fraction : fraction | (uint64_t{1} << 52);
  const int shift = exponent == 0 ? 1074 : 1075 - exponent;  // ≥ 53
  using Wide = unsigned __int128;
  const Wide product = Wide{digits} * total;  // < 2^116
  if (shift >= 127) return product > 0 ? 1 : 0;
  return static_cast<uint64_t>((product + ((Wide{1} << shift) - 1)) >> shift);
}

/// floor(u · mass) for the Philox number u of (seed, position), exactly: below `mass`. mass < 2^63.
LS_HOST_DEVICE inline uint64_t draw_target(uint64_t mass, uint64_t seed, uint64_t position) {
  using Wide = unsigned __int128;
  return static_cast<uint64_t>((Wide{philox_uniform_bits(seed, position)} * mass) >> 53);
}

}  // namespace lockstep
