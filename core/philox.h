// Philox4x32-10: counter-based random numbers. A number is a pure function of (key, counter): no state, no order. The
// same on host and device.
// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#pragma once

#include "core/host_device.h"

#include <array>
#include <cstdint>

namespace lockstep {

/// Ten rounds of Philox4x32.
LS_HOST_DEVICE constexpr std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter,
                                                            std::array<uint32_t, 2> key) {
  constexpr uint64_t kMultiplier0 = 0xd2511f53, kMultiplier1 = 0xcd9e8d57;
  constexpr uint32_t kWeyl0 = 0x9e3779b9;  // golden ratio
  constexpr uint32_t kWeyl1 = 0xbb67ae85;  // sqrt(3) - 1
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = kMultiplier0 * counter[0];
    const uint64_t product1 = kMultiplier1 * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(product0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

/// Uniform integer in [0, 2^53): key = seed, counter = (position, stream), low words first; the upper 53 bits of the
/// first two output words, of which the first is the high half.
LS_HOST_DEVICE constexpr uint64_t philox_uniform_bits(uint64_t seed, uint64_t position, uint64_t stream = 0) {
  const std::array<uint32_t, 4> words =
      philox4x32({static_cast<uint32_t>(position), static_cast<uint32_t>(position >> 32), static_cast<uint32_t>(stream),
                  static_cast<uint32_t>(stream >> 32)},
                 {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
  return ((uint64_t{words[0]} << 32) | words[1]) >> 11;
}

/// Uniform double in [0, 1): philox_uniform_bits() / 2^53.
double philox_uniform(uint64_t seed, uint64_t position, uint64_t stream = 0);

}  // namespace lockstep
