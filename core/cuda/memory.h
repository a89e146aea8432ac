// Device and page-locked memory inside the CUDA module; see core/cuda_api.h for the contracts.
#pragma once

#include "core/device.h"

#include <cstdint>

namespace lockstep::cuda {

void* allocate(int64_t bytes, Device device);
void deallocate(void* data, Device device) noexcept;
void fill_zero(void* data, int64_t bytes, Device device);
void* allocate_pinned(int64_t bytes);
void deallocate_pinned(void* data) noexcept;

}  // namespace lockstep::cuda
