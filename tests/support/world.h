// The communicator of all ranks of a rank test.
#pragma once

#include "dist/comm/mpi/mpi_communicator.h"
#include "tests/support/rank_environment.h"

#include <memory>

namespace lockstep::testing_support {

/// Made at the first call, which is collective; lives until the program ends.
inline Communicator& world() {
  static const std::unique_ptr<Communicator> communicator = make_mpi_communicator(rank_environment());
  return *communicator;
}

}  // namespace lockstep::testing_support
