#include "core/cuda/device_info.h"

#include "core/cuda/arena.h"
#include "core/cuda/check.h"

#include <array>

namespace lockstep::cuda {
namespace {

int attribute(cudaDeviceAttr which, Device device) {
  int value = 0;
  LS_CUDA(cudaDeviceGetAttribute(&value, which, device.ordinal));
  return value;
}

}  // namespace

int32_t device_count(std::string* why_not) noexcept {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaSuccess && count > 0) return count;
  static_cast<void>(cudaGetLastError());
  *why_not = status == cudaSuccess ? "it lists none" : cudaGetErrorString(status);
  return 0;  // on failure `count` was not written
}

CudaDeviceInfo device_info(Device device) {
  LS_CUDA(cudaSetDevice(device.ordinal));
  CudaDeviceInfo info;
  cudaDeviceProp properties{};
  LS_CUDA(cudaGetDeviceProperties(&properties, device.ordinal));
  info.name = properties.name;
  std::array<char, 32> bus_id{};
  LS_CUDA(cudaDeviceGetPCIBusId(bus_id.data(), static_cast<int>(bus_id.size()), device.ordinal));
  info.pci_bus_id = bus_id.data();
  size_t free_bytes = 0, total_bytes = 0;
  LS_CUDA(cudaMemGetInfo(&free_bytes, &total_bytes));
  info.free_bytes = static_cast<int64_t>(free_bytes) + Arena::of(device).reserve();
  info.total_bytes = static_cast<int64_t>(total_bytes);
  info.multiprocessors = attribute(cudaDevAttrMultiProcessorCount, device);
  info.compute_major = attribute(cudaDevAttrComputeCapabilityMajor, device);
  info.compute_minor = attribute(cudaDevAttrComputeCapabilityMinor, device);
  LS_CUDA(cudaDriverGetVersion(&info.driver_version));
  LS_CUDA(cudaRuntimeGetVersion(&info.runtime_version));
  return info;
}

}  // namespace lockstep::cuda
