// Communicator between processes, by MPI.
//
// Sums of groups within a node go through shared memory, those of groups that span nodes through messages (or as
// `transport` says); control traffic goes through messages. A failed process ends the job: mpirun and srun kill the
// other ranks, so waits have no time limit.
#pragma once

#include "dist/comm/transport.h"
#include "dist/communicator.h"

#include <memory>

namespace lockstep {

/// The group of all ranks. `environment` must outlive it and all groups split from it; its destruction is collective.
/// Ranks: collective. Throws: MpiError; ConfigError for kSharedMemory in a group that spans nodes, here or at split().
std::unique_ptr<Communicator> make_mpi_communicator(const MpiEnvironment& environment,
                                                    Transport transport = Transport::kAuto);

}  // namespace lockstep
