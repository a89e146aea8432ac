// Device memory behind Buffer: bodies in core/cuda/, stubs in core/no_cuda/.
#pragma once

#include "core/device.h"

#include <cstdint>

namespace lockstep::cuda {

/// Throws OutOfMemory, CudaError; NotCompiled in a CPU build.
void* allocate(int64_t bytes, Device device);
/// Sets the bytes to 0; returns after completion. Throws CudaError; NotCompiled in a CPU build.
void fill_zero(void* data, int64_t bytes, Device device);
/// Never throws.
void deallocate(void* data, Device device) noexcept;

}  // namespace lockstep::cuda
