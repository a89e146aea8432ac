// Choice of transport for a group of processes.
#pragma once

#include "core/device.h"
#include "dist/communicator.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace lockstep {

class MpiEnvironment;

/// How sums over ranks travel; everything else goes by MPI messages always.
///                on CPU devices                                    on CUDA devices
/// kAuto         shared memory within a node, else messages        NCCL where every rank has a GPU of its own, else
/// staged kMpi          MPI messages                                      staged (through the host) kSharedMemory
/// shared memory; an error for groups across nodes   staged, in shared memory at the host kNccl         an error NCCL,
/// an error where it cannot be
enum class Transport : uint8_t { kAuto, kMpi, kSharedMemory, kNccl };

/// "auto", "mpi", "shared_memory", "nccl".
std::string_view name_of(Transport transport);
/// Throws ConfigError naming the accepted values.
Transport parse_transport(std::string_view text);

/// The group of all ranks; `device` is where its sums lie, of one kind on all ranks. `environment` must outlive it and
/// all groups split from it. `reason`, if given, gets a sentence on what was taken and why.
/// Ranks: collective. Throws: ConfigError for kSharedMemory across nodes, for kNccl on CPU devices or with a GPU that
/// ranks share, and for different kinds of device; NotCompiled for a CUDA device without the CUDA module.
std::unique_ptr<Communicator> make_world_communicator(const MpiEnvironment& environment, Transport transport,
                                                      Device device = Device::cpu(), std::string* reason = nullptr);
/// The same upon a group that sums in host memory; `transport` is kAuto, kMpi or kNccl (kSharedMemory: as kMpi).
/// `fuses_norm`: NCCL groups sum, add and normalise in one kernel where they can (NcclOptions).
std::unique_ptr<Communicator> make_device_communicator(std::unique_ptr<Communicator> host, Transport transport,
                                                       Device device, std::string* reason = nullptr,
                                                       bool fuses_norm = false);

}  // namespace lockstep
