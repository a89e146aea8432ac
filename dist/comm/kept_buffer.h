// Memory that grows on demand and never goes away before its owner: recorded graphs may name addresses of any age.
#pragma once

#include "core/buffer.h"

#include <algorithm>
#include <vector>

namespace lockstep {

class KeptBuffer {
 public:
  explicit KeptBuffer(Device device) : device_(device) {}

  /// At least `bytes`; the same address as long as no call asked for more.
  void* at_least(int64_t bytes) {
    if (blocks_.empty() || blocks_.back().bytes() < bytes) {
      const int64_t grown = blocks_.empty() ? kLeast : blocks_.back().bytes() * 3 / 2;  // few outgrown blocks
      blocks_.emplace_back(std::max(bytes, grown), device_);
    }
    return blocks_.back().data();
  }

 private:
  static constexpr int64_t kLeast = int64_t{1} << 16;
  Device device_;
  std::vector<Buffer> blocks_;  // last: in use
};

}  // namespace lockstep
