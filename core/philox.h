// Philox4x32-10: counter-based random numbers. A number is a pure function of (key, counter): no state, no order.
// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#pragma once

#include <array>
#include <cstdint>

namespace lockstep {

/// Ten rounds of Philox4x32.
std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

/// Uniform double in [0, 1) with 53 random bits: key = seed, counter = (position, stream), low words first; the first
/// output word is the high half.
double philox_uniform(uint64_t seed, uint64_t position, uint64_t stream = 0);

}  // namespace lockstep
