// Sum over ranks, residual addition and normalisation in one kernel, which reads the peers' partial sums over NVLink
// through NCCL's device interface (2.28 or later, the same version built with and running). In the CUDA module.
#pragma once

#include "dist/comm/nccl/symmetric_memory.h"

#include <memory>
#include <optional>

namespace lockstep::cuda {

/// The arguments of NcclGroup::sum_and_norm; `partial` lies in `memory`.
struct SumAndNorm {
  const SymmetricMemory& memory;
  ConstTensorView partial;
  TensorView residual;
  std::optional<ConstTensorView> bias;
  ConstTensorView weight;
  float eps;
  TensorView out;
};

class FusedNorm {
 public:
  virtual ~FusedNorm() = default;
  /// Enqueues it, or returns false where this kernel does not fit: by shapes alone, so on all ranks alike.
  virtual bool run(const OpContext& context, const SumAndNorm& what) = 0;
};

/// Null where the library has no such interface or not all ranks reach each other's memory.
/// Ranks: collective. Throws: NcclError.
std::unique_ptr<FusedNorm> make_fused_norm(CheckedComm& comm, int32_t size);

}  // namespace lockstep::cuda
