#include "tests/support/cuda_emulation/launch.h"

#include "tests/support/cuda_emulation/runtime.h"
#include "tests/support/cuda_emulation/simt.h"

using namespace lockstep::emulation;

namespace {

constexpr size_t kSharedWithoutOptin = 48 * 1024;

bool is_possible(const cudaLaunchConfig_t& config) {
  const dim3 grid = config.gridDim, block = config.blockDim;
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || block.x == 0 || block.y == 0 || block.z == 0) return false;
  if (grid.x > 0x7fffffffU || grid.y > 65535 || grid.z > 65535) return false;
  if (block.x > 1024 || block.y > 1024 || block.z > 64 || size_t{block.x} * block.y * block.z > 1024) return false;
  return config.dynamicSmemBytes <= kMaxSharedBytes;
}

}  // namespace

namespace lockstep::emulation {

cudaError_t launch(const cudaLaunchConfig_t& config, const void* function, void (*thread)(const void*),
                   std::shared_ptr<const void> arguments) {
  if (const cudaError_t status = check_call(); status != cudaSuccess) return status;
  if (!is_possible(config)) return report(cudaErrorInvalidConfiguration);
  for (unsigned int i = 0; i < config.numAttrs; ++i) {
    // Blocks run one after another, so none can wait for another.
    const cudaLaunchAttribute& attribute = config.attrs[i];
    const auto& cluster = attribute.val.clusterDim;
    if ((attribute.id == cudaLaunchAttributeCooperative && attribute.val.cooperative != 0) ||
        (attribute.id == cudaLaunchAttributeClusterDimension && cluster.x * cluster.y * cluster.z > 1)) {
      return report(cudaErrorNotSupported);
    }
  }
  Lock lock(runtime().mutex);
  const auto stream = find_stream(lock, config.stream);
  if (stream == nullptr || stream->device != current_device()) return report(cudaErrorInvalidResourceHandle);
  const auto limit = runtime().dynamic_shared_limits.find(function);
  const size_t max_shared = limit == runtime().dynamic_shared_limits.end() ? kSharedWithoutOptin : limit->second;
  if (config.dynamicSmemBytes > max_shared) return report(cudaErrorInvalidValue);
  return report(submit(lock, *stream,
                       [grid = config.gridDim, block = config.blockDim, bytes = config.dynamicSmemBytes, thread,
                        arguments = std::move(arguments)] {
                         run_kernel({grid, block, bytes, thread, arguments.get()});
                       }));
}

}  // namespace lockstep::emulation

cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute attribute, int value) {
  if (const cudaError_t status = check_call(); status != cudaSuccess) return status;
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;
  if (value < 0 || static_cast<size_t>(value) > kMaxSharedBytes) return report(cudaErrorInvalidValue);
  const Lock lock(runtime().mutex);
  runtime().dynamic_shared_limits[function] = static_cast<size_t>(value);
  return cudaSuccess;
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* num_blocks, const void*, int block_size, size_t) {
  if (const cudaError_t status = check_call(); status != cudaSuccess) return status;
  if (block_size < 1 || block_size > 1024) return report(cudaErrorInvalidValue);
  *num_blocks = 2;
  return cudaSuccess;
}
