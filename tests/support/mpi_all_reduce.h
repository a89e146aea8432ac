// MPI's own all-reduce, as a yardstick for benchmarks.
#pragma once

#include <cstdint>

namespace lockstep {

/// Replaces `values` by their sums over all ranks. Ranks: collective.
void mpi_all_reduce(float* values, int64_t count);

}  // namespace lockstep
