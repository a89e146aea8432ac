// How much shared memory a CTA may have, and the permission to use that much.
#pragma once

#include "core/cuda/check.h"
#include "kernels/context.h"

#include <cstdint>
#include <cuda_runtime.h>

namespace lockstep::cuda {

/// Bytes a CTA may have on the context's device: 227 KiB on sm_90, 163 on sm_80, 99 on sm_86, sm_89 and sm_120.
inline int64_t shared_limit(const OpContext& context) {
  int bytes = 0;
  LS_CUDA(cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, context.device.ordinal));
  return bytes;
}

/// Lets launches of `kernel` on the current device ask for `bytes` of dynamic shared memory.
template <class... Parameters>
void allow_shared(void (*kernel)(Parameters...), int64_t bytes) {
  LS_CUDA(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes)));
}

}  // namespace lockstep::cuda
