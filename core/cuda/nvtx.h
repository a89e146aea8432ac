// Ranges for NVIDIA's profilers, inside the CUDA module; see core/cuda_api.h. Without a profiler a call costs
// nanoseconds.
#pragma once

namespace lockstep::cuda {

void range_push(const char* name) noexcept;
void range_pop() noexcept;

}  // namespace lockstep::cuda
