// The one way in which kernels are launched.
#pragma once

#include "core/cuda/check.h"
#include "kernels/context.h"

#include <cstdint>
#include <cuda_runtime.h>
#include <utility>

namespace lockstep::cuda {

inline cudaStream_t stream_of(const OpContext& context) { return static_cast<cudaStream_t>(context.stream->native()); }

/// Enqueues kernel<<<grid, block, shared_bytes>>>(arguments...) on the context's stream. A grid of no blocks is no
/// work.
template <class... Parameters, class... Arguments>
void launch(const OpContext& context, dim3 grid, dim3 block, int64_t shared_bytes, void (*kernel)(Parameters...),
            Arguments&&... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = static_cast<size_t>(shared_bytes);
  config.stream = stream_of(context);
  LS_CUDA(cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(std::forward<Arguments>(arguments))...));
}

inline unsigned div_up(int64_t a, int64_t b) { return static_cast<unsigned>((a + b - 1) / b); }

}  // namespace lockstep::cuda
