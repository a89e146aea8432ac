// Host memory that a device copies from and to without staging.
#pragma once

#include "core/device.h"

#include <cstdint>

namespace lockstep {

/// `bytes` of host memory for traffic with `device`: page-locked for a CUDA device, plain aligned memory for the CPU.
/// Move-only. Throws OutOfMemory.
class PinnedBuffer {
 public:
  PinnedBuffer() = default;
  PinnedBuffer(int64_t bytes, Device device);
  PinnedBuffer(PinnedBuffer&& other) noexcept;
  PinnedBuffer& operator=(PinnedBuffer&& other) noexcept;
  ~PinnedBuffer();

  void* data() const { return data_; }
  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }
  int64_t bytes() const { return bytes_; }

 private:
  void* data_ = nullptr;
  int64_t bytes_ = 0;
  bool is_locked_ = false;
};

/// Page-locked bytes that this process holds now, and the most it ever held.
int64_t pinned_bytes();
int64_t peak_pinned_bytes();

}  // namespace lockstep
