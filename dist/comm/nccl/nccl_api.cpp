// The program's side of the table; not part of the module.
#include "dist/comm/nccl/nccl_api.h"

#include "core/cuda_module.h"

namespace lockstep {

const CudaNcclApi& cuda_nccl() {
  static const auto* const table = static_cast<const CudaNcclApi*>(cuda_table("lockstep_nccl"));
  return *table;
}

}  // namespace lockstep
