// Choice of transport for a group of processes.
#pragma once

#include "core/device.h"
#include "dist/communicator.h"

#include <cstdint>
#include <memory>
#include <string_view>

namespace lockstep {

class MpiEnvironment;

/// How sums over ranks travel; everything else goes by MPI messages always.
/// kAuto         shared memory for groups within one node, messages for groups that span nodes
/// kMpi          MPI messages always
/// kSharedMemory shared memory; an error for groups that span nodes
/// kNccl         device memory by NCCL
enum class Transport : uint8_t { kAuto, kMpi, kSharedMemory, kNccl };

/// "auto", "mpi", "shared_memory", "nccl".
std::string_view name_of(Transport transport);
/// Throws ConfigError naming the accepted values.
Transport parse_transport(std::string_view text);

/// The group of all ranks; `device` is where its sums lie. `environment` must outlive it and all groups split from it.
/// Ranks: collective. Throws: ConfigError for kSharedMemory across nodes, NotCompiled for kNccl in a build without it.
std::unique_ptr<Communicator> make_world_communicator(const MpiEnvironment& environment, Transport transport,
                                                      Device device = Device::cpu());

}  // namespace lockstep
