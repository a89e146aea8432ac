// The two ways in which processes sum in host memory. Private to dist/comm/mpi/.
#pragma once

#include "core/thread_pool.h"

#include <cstdint>
#include <memory>
#include <mpi.h>
#include <string_view>

namespace lockstep {

/// The sums of one communicator; see Communicator::partial_buffer and all_reduce_sum. Both calls are collective.
class HostSum {
 public:
  virtual ~HostSum() = default;
  virtual std::string_view transport() const = 0;
  virtual void* partial_buffer(int64_t bytes) = 0;
  virtual void all_reduce(const float* partial, float* out, int64_t count, ThreadPool* threads) = 0;
};

/// In windows that all ranks of `comm` see: they must be on one node. `comm` outlives the result, here and below.
std::unique_ptr<HostSum> make_shared_memory_sum(MPI_Comm comm);
/// By messages, wherever the ranks are.
std::unique_ptr<HostSum> make_message_sum(MPI_Comm comm);

}  // namespace lockstep
