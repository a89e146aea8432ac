#include "tests/support/mpi_all_reduce.h"

#include "core/error.h"

#include <mpi.h>

namespace lockstep {

void mpi_all_reduce(float* values, int64_t count) {
  const int code = MPI_Allreduce(MPI_IN_PLACE, values, static_cast<int>(count), MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
  LS_REQUIRE(MpiError, code == MPI_SUCCESS, "MPI_Allreduce of {} floats failed with code {}", count, code);
}

}  // namespace lockstep
