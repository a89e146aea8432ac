#include "kernels/cuda/linear/library.h"

#include "core/cuda/check.h"

namespace lockstep::cuda {

LinearLibrary::LinearLibrary(Device device) {
  LS_CUDA(cudaSetDevice(device.ordinal));  // the handle belongs to the current device
  LS_CUBLAS(cublasLtCreate(&handle));
}

LinearLibrary::~LinearLibrary() { cublasLtDestroy(handle); }

std::string LinearLibrary::version() {
  const size_t version = cublasLtGetVersion();
  constexpr size_t kMajor = 10000, kMinor = 100;  // 10000 * major + 100 * minor + patch
  return fmt::format("cuBLASLt {}.{}.{}", version / kMajor, version % kMajor / kMinor, version % kMinor);
}

}  // namespace lockstep::cuda
