// The devices of this machine, inside the CUDA module; see core/cuda_api.h.
#pragma once

#include "core/cuda_api.h"

#include <string>

namespace lockstep::cuda {

int32_t device_count(std::string* why_not) noexcept;
CudaDeviceInfo device_info(Device device);

}  // namespace lockstep::cuda
