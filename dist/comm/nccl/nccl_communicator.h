// Sums in CUDA device memory by NCCL, one GPU a rank: the program's side. What touches NCCL is in the CUDA module
// (dist/comm/nccl/nccl_api.h).
#pragma once

#include "core/device.h"
#include "dist/comm/gpu_place.h"
#include "dist/communicator.h"

#include <chrono>
#include <memory>
#include <span>

namespace lockstep {

struct NcclOptions {
  /// How long the host waits for peers in NCCL. Zero: LOCKSTEP_NCCL_TIMEOUT seconds, 120 if that is not set.
  std::chrono::milliseconds time_limit{0};
  /// Sum, residual and normalisation in one kernel where NCCL's device interface allows it (docs/distribution.md).
  bool fuses_norm = false;
};

/// A group of the ranks of `control`, which carries everything but the sums and gathers of device memory; rank i's lie
/// on its `device`. NCCL is started by the group's first such call, so that a group that only gets split costs nothing.
/// Ranks: collective, equal options. Throws: ConfigError if two ranks share a GPU and NCCL does not allow it (2.30 with
/// NCCL_MULTI_RANK_GPU_ENABLE=1 does) or the time limit is no number; NotCompiled without the CUDA module.
std::unique_ptr<Communicator> make_nccl_communicator(std::unique_ptr<Communicator> control, Device device,
                                                     const NcclOptions& options = {});

/// Whether NCCL can join ranks at `places`, "" if so, else why not. Ranks: collective.
std::string why_not_nccl(Communicator& control, std::span<const GpuPlace> places);

}  // namespace lockstep
