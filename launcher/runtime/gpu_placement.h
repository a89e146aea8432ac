// Which device each rank computes on: a GPU of its own, all ranks on CPUs, or an error that says what is missing.
#pragma once

#include "core/device.h"
#include "core/settings/engine_settings.h"
#include "dist/communicator.h"

#include <cstdint>
#include <string>
#include <vector>

namespace lockstep {

struct Placement {
  Device device;
  std::string name;             // for summaries and manifests; decides the last bits, so equal on all ranks
  std::string reason;           // for the start-up message
  std::vector<int> near_cores;  // cores beside the GPU; empty: unknown, or no GPU
  // Of the ranks of this node whose GPU lies beside the same cores: how many, and which of them this one is.
  int32_t num_neighbours = 1, neighbour = 0;
};

/// The GPU of the `local_rank`-th rank of a node that offers `num_devices`: one each by number; a rank that is shown a
/// single GPU takes that (a batch system gave it to the rank).
int32_t gpu_ordinal(int32_t num_devices, int32_t local_rank);

/// Resolves `device` and assigns GPUs.
/// auto: CUDA if every rank finds a GPU, the CPU if none does; a mixture is an error, as ranks must not differ.
/// Ranks: collective. Throws PhaseFailure on every rank: `device = cuda` where a rank has no GPU; more ranks than GPUs
/// on a node without share_gpu; GPUs of different models.
Placement place_rank(const RuntimeSettings& settings, Communicator& world, int32_t local_rank);

}  // namespace lockstep
