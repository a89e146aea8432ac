// WorkCounter between the processes of a job.
//
// On one node it is an atomic in shared memory. Across nodes rank 0 holds it and the others reach it one-sidedly: with
// networks that have no remote atomics, a draw waits until rank 0 enters MPI, up to one engine step. Draw several at
// a time there.
#pragma once

#include "dist/comm/transport.h"
#include "dist/work_counter.h"

#include <memory>

namespace lockstep {

/// `environment` must outlive the counter. kMpi takes the one-sided way on one node too; kAuto chooses as above.
/// Ranks: construction and destruction are collective over all ranks; drawing is not. Throws: MpiError, ConfigError.
std::unique_ptr<WorkCounter> make_mpi_work_counter(const MpiEnvironment& environment,
                                                   Transport transport = Transport::kAuto);

}  // namespace lockstep
