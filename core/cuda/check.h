// LS_CUDA(call): throws CudaError with the runtime's words unless the call succeeded.
#pragma once

#include "core/error.h"

#include <cuda_runtime_api.h>

// The sticky error is taken along, so that it is not found again at the next call.
#define LS_CUDA(call)                                                                                            \
  do {                                                                                                           \
    const cudaError_t ls_status = (call);                                                                        \
    if (ls_status != cudaSuccess) [[unlikely]]                                                                   \
      static_cast<void>(cudaGetLastError());                                                                     \
    LS_REQUIRE(::lockstep::CudaError, ls_status == cudaSuccess, "{}: {}", #call, cudaGetErrorString(ls_status)); \
  } while (false)
