// LS_CUDA(call): throws CudaError with the runtime's words unless the call succeeded.
#pragma once

#include "core/error.h"

#include <cuda_runtime_api.h>

#define LS_CUDA(call)                                                                                            \
  do {                                                                                                           \
    const cudaError_t ls_status = (call);                                                                        \
    LS_REQUIRE(::lockstep::CudaError, ls_status == cudaSuccess, "{}: {}", #call, cudaGetErrorString(ls_status)); \
  } while (false)
