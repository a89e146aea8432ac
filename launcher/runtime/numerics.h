// What the bits of results depend on besides model, type, device and libraries.
#pragma once

#include "dist/sharding.h"

#include <cstdint>
#include <fmt/format.h>
#include <string>

namespace lockstep {

/// Raised whenever a change makes old and new programs answer with different bytes.
inline constexpr const char* kNumericsVersion = "2";

/// Tensor parallelism 1, 2, 4 and 8 give the same bits; any other degree has bits of its own.
inline std::string summation_order(int32_t tp) {
  return kSumSegments % tp == 0 ? "8 segments" : fmt::format("tp {}", tp);
}

}  // namespace lockstep
