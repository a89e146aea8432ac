#include "dist/comm/nccl/nccl_communicator.h"

#include "core/error.h"

namespace lockstep {

std::unique_ptr<Communicator> make_nccl_communicator(std::unique_ptr<Communicator>, Device device) {
  LS_THROW(NotCompiled, "transport nccl (for {}) is not part of this build; accepted: auto, mpi, shared_memory",
           device.to_string());
}

}  // namespace lockstep
