// Sums in CUDA device memory by NCCL. In a build without NCCL a stub stands in (dist/comm/no_nccl/).
#pragma once

#include "core/device.h"
#include "dist/communicator.h"

#include <memory>

namespace lockstep {

/// A group of the ranks of `control`, which carries everything but the sums; rank i sums on its `device`.
/// Ranks: collective. Throws: NcclError; NotCompiled without NCCL.
std::unique_ptr<Communicator> make_nccl_communicator(std::unique_ptr<Communicator> control, Device device);

}  // namespace lockstep
