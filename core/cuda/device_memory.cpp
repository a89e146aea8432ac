#include "core/device_memory.h"

#include "core/cuda/check.h"

namespace lockstep::cuda {

void* allocate(int64_t bytes, Device device) {
  LS_CUDA(cudaSetDevice(device.ordinal));
  void* data = nullptr;
  const cudaError_t status = cudaMalloc(&data, static_cast<size_t>(bytes));
  if (status == cudaErrorMemoryAllocation) {
    throw OutOfMemory({__FILE__, __LINE__, ""}, bytes,
                      fmt::format("cannot allocate {} bytes on {}", bytes, device.to_string()));
  }
  LS_CUDA(status);
  return data;
}

void fill_zero(void* data, int64_t bytes, Device device) {
  LS_CUDA(cudaSetDevice(device.ordinal));
  LS_CUDA(cudaMemset(data, 0, static_cast<size_t>(bytes)));
  LS_CUDA(cudaDeviceSynchronize());
}

void deallocate(void* data, Device) noexcept { cudaFree(data); }

}  // namespace lockstep::cuda
