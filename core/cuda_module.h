// The CUDA bodies of the whole program form one shared module, loaded only where a driver is: a program linked with
// cuBLASLt and NCCL would take 210 MB and 60 ms on machines that have no use for them, and would not start without
// them. The same `lockstep` so runs without toolkit, without driver, and on GPUs.
//
// The module exports one table of functions per folder (core/cuda_api.h, kernels/cuda_api.h,
// dist/comm/nccl/nccl_api.h); a body that is missing is an error when the module is linked. Tests load a module made of
// the same sources for the host (tests/support/cuda_emulation/). Thread-safe.
#pragma once

#include <cstdint>
#include <string>

namespace lockstep {

enum class CudaState : uint8_t {
  kReady,
  kNoDriver,  // no libcuda.so.1
  kNoModule,  // no module beside the program, or one that cannot be loaded or belongs to another build
  kNoDevice,  // driver and module, but no usable GPU
};

struct CudaStatus {
  CudaState state = CudaState::kNoDriver;
  /// A sentence for the user: what was found, or what is missing and where it was looked for.
  std::string reason;
  int32_t num_devices = 0;
  bool is_ready() const { return state == CudaState::kReady; }
};

/// Looks for driver, module and devices at the first call; the answer stays for the life of the process.
/// The module is `LOCKSTEP_CUDA_MODULE` (a file; then no driver is asked for), else the one beside the program or under
/// the installation's library folder.
const CudaStatus& cuda_status();

/// Whether the module was loaded already. Loads nothing.
bool cuda_is_loaded();

/// The module's table of that name. Throws NotCompiled with the reason unless the status is ready or kNoDevice.
const void* cuda_table(const char* symbol);

}  // namespace lockstep
