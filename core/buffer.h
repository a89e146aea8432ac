// Owners of memory: aligned host memory, or device memory; move-only, with exact accounting.
#pragma once

#include "core/device.h"
#include "core/tensor_view.h"

#include <cstddef>
#include <cstdint>

namespace lockstep {

/// `bytes` of uninitialised memory on `device`, aligned to 64 bytes on the CPU (2 MiB pages are requested for large
/// blocks). Thread-safety: as for a plain value. Throws OutOfMemory naming the request and what is held already.
class Buffer {
 public:
  Buffer() = default;
  Buffer(int64_t bytes, Device device = Device::cpu());
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  ~Buffer();

  void* data() const { return data_; }
  int64_t bytes() const { return bytes_; }
  Device device() const { return device_; }
  /// Sets all bytes to 0; returns after completion.
  void fill_zero();
  /// The first elements of this buffer as a contiguous tensor. Throws ShapeError if they do not fit.
  TensorView view(DType dtype, Shape shape) const;
  /// The same, starting at `byte_offset`.
  TensorView view(DType dtype, Shape shape, int64_t byte_offset) const;

 private:
  void* data_ = nullptr;
  int64_t bytes_ = 0;
  Device device_ = Device::cpu();
};

/// Bytes now held by Buffers of this process on `kind`, and the most that were ever held.
int64_t allocated_bytes(DeviceKind kind);
int64_t peak_allocated_bytes(DeviceKind kind);

}  // namespace lockstep
