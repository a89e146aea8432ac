// Stands in for CUDA's header of this name where device code is emulated: the runtime's interface, the words of the
// language, and the functions of device code. Kernels start by cudaLaunchKernelEx only. Shared memory is the OS
// thread's; write `alignas(16) __shared__ float x[4]` or `__shared__ __align__(16)`: g++ does not take alignas after
// __shared__.
#pragma once

#include "tests/support/cuda_emulation/include/cuda_runtime_api.h"
#include "tests/support/cuda_emulation/launch.h"
#include "tests/support/cuda_emulation/scalar_functions.h"
#include "tests/support/cuda_emulation/simt.h"
#include "tests/support/cuda_emulation/vector_types.h"
#include "tests/support/cuda_emulation/warp_functions.h"

// NOLINTBEGIN(readability-identifier-naming): the names are CUDA's
#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __shared__ static thread_local
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __grid_constant__
#define __cluster_dims__(...)

inline void cudaGridDependencySynchronize() {}
inline void cudaTriggerProgrammaticLaunchCompletion() {}

template <class T>
cudaError_t cudaMalloc(T** data, size_t bytes) {
  void* allocated = nullptr;
  const cudaError_t status = cudaMalloc(&allocated, bytes);
  *data = static_cast<T*>(allocated);
  return status;
}
template <class T>
cudaError_t cudaMallocHost(T** data, size_t bytes, unsigned int = cudaHostAllocDefault) {
  void* allocated = nullptr;
  const cudaError_t status = cudaMallocHost(&allocated, bytes);
  *data = static_cast<T*>(allocated);
  return status;
}
template <class T>
cudaError_t cudaHostAlloc(T** data, size_t bytes, unsigned int flags) {
  void* allocated = nullptr;
  const cudaError_t status = cudaHostAlloc(&allocated, bytes, flags);
  *data = static_cast<T*>(allocated);
  return status;
}
// NOLINTEND(readability-identifier-naming)
