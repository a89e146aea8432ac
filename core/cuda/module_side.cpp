// What the module's copy of core/ asks instead of core/cuda_module.cpp: inside the module the tables are at hand.
#include "core/cuda/device_info.h"
#include "core/cuda_api.h"
#include "core/cuda_module.h"
#include "core/error.h"

extern "C" const lockstep::CudaCoreApi lockstep_cuda_core;

namespace lockstep {

const CudaCoreApi& cuda_core() { return lockstep_cuda_core; }

bool cuda_is_loaded() { return true; }

const CudaStatus& cuda_status() {
  static const CudaStatus status = [] {
    CudaStatus found;
    found.num_devices = cuda::device_count(&found.reason);
    found.state = found.num_devices > 0 ? CudaState::kReady : CudaState::kNoDevice;
    return found;
  }();
  return status;
}

const void* cuda_table(const char* symbol) {
  LS_THROW(Error, "{}: the CUDA module calls its own functions, not its tables", symbol);
}

}  // namespace lockstep
