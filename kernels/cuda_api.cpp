#include "kernels/cuda_api.h"

#include "core/cuda_module.h"

namespace lockstep {

const CudaKernelsApi& cuda_kernels() {
  static const auto* const table = static_cast<const CudaKernelsApi*>(cuda_table("lockstep_cuda_kernels"));
  return *table;
}

}  // namespace lockstep
