// What rank tests (lockstep_add_rank_test) find ready: MPI, initialised by tests/support/rank_main.cpp.
#pragma once

#include "dist/comm/mpi/mpi_environment.h"

namespace lockstep {

/// The environment of this rank's test program. Valid within tests.
const MpiEnvironment& rank_environment();

}  // namespace lockstep
