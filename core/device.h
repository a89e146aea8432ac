// Which kind of device holds a tensor and runs an operation.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

namespace lockstep {

enum class DeviceKind : uint8_t { kCpu, kCuda };

/// A device of this process: the CPU, or a CUDA device by its ordinal. A plain value.
struct Device {
  DeviceKind kind = DeviceKind::kCpu;
  int32_t ordinal = 0;

  static constexpr Device cpu() { return {DeviceKind::kCpu, 0}; }
  static constexpr Device cuda(int32_t ordinal) { return {DeviceKind::kCuda, ordinal}; }
  constexpr auto operator<=>(const Device&) const = default;
  /// "cpu" or "cuda:1".
  std::string to_string() const;
};

}  // namespace lockstep
