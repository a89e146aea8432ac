#include "core/cuda/memory.h"

#include "core/cuda/arena.h"
#include "core/cuda/check.h"

namespace lockstep::cuda {

void* allocate(int64_t bytes, Device device) { return Arena::of(device).allocate(bytes); }
void deallocate(void* data, Device device) noexcept { Arena::of(device).deallocate(data); }

void fill_zero(void* data, int64_t bytes, Device device) {
  LS_CUDA(cudaSetDevice(device.ordinal));
  LS_CUDA(cudaMemset(data, 0, static_cast<size_t>(bytes)));
  LS_CUDA(cudaDeviceSynchronize());
}

void* allocate_pinned(int64_t bytes) {
  void* data = nullptr;
  const cudaError_t status = cudaHostAlloc(&data, static_cast<size_t>(bytes), cudaHostAllocPortable);
  if (status == cudaErrorMemoryAllocation) {
    static_cast<void>(cudaGetLastError());
    throw OutOfMemory({__FILE__, __LINE__, ""}, bytes,
                      fmt::format("cannot lock {} bytes of host memory (see ulimit -l)", bytes));
  }
  LS_CUDA(status);
  return data;
}

void deallocate_pinned(void* data) noexcept { cudaFreeHost(data); }

}  // namespace lockstep::cuda
