// Launching emulated kernels: cudaLaunchKernelEx and the templates of cuda_runtime.h that take kernels.
#pragma once

#include "tests/support/cuda_emulation/include/cuda_runtime_api.h"

#include <memory>
#include <tuple>
#include <utility>

namespace lockstep::emulation {

/// Checks the launch as the driver does and appends it to the stream. `arguments` are kept until the launch is run.
cudaError_t launch(const cudaLaunchConfig_t& config, const void* function, void (*thread)(const void*),
                   std::shared_ptr<const void> arguments);

}  // namespace lockstep::emulation

// NOLINTBEGIN(readability-identifier-naming): the names are CUDA's
/// The arguments are copied at the call.
template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments&&... arguments) {
  struct Call {
    void (*kernel)(Parameters...);
    std::tuple<Parameters...> arguments;
  };
  static_assert(sizeof(std::tuple<Parameters...>) <= 4096, "more than all devices take as kernel arguments");
  auto call = std::make_shared<const Call>(
      Call{kernel, std::tuple<Parameters...>(static_cast<Parameters>(std::forward<Arguments>(arguments))...)});
  const auto run_thread = [](const void* data) {
    const Call& bound = *static_cast<const Call*>(data);
    std::apply(bound.kernel, bound.arguments);
  };
  return lockstep::emulation::launch(*config, reinterpret_cast<const void*>(kernel), run_thread, std::move(call));
}

template <class... Parameters>
cudaError_t cudaFuncSetAttribute(void (*kernel)(Parameters...), cudaFuncAttribute attribute, int value) {
  return cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), attribute, value);
}

template <class... Parameters>
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* num_blocks, void (*kernel)(Parameters...),
                                                          int block_size, size_t shared_bytes) {
  return cudaOccupancyMaxActiveBlocksPerMultiprocessor(num_blocks, reinterpret_cast<const void*>(kernel), block_size,
                                                       shared_bytes);
}
// NOLINTEND(readability-identifier-naming)
