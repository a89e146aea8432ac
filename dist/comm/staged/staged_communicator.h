// Sums of CUDA device memory through the host: partial sums go to page-locked memory, a host communicator adds them,
// the result goes back. The transport that always works, also for ranks that share a GPU; it stops at the host for
// every sum, so it cannot be recorded into graphs. The bits are those of every other transport.
#pragma once

#include "core/device.h"
#include "dist/communicator.h"

#include <memory>

namespace lockstep {

/// A group of the ranks of `host` (a transport that sums in host memory), whose sums lie on the CUDA `device`. Sums of
/// CPU contexts go to `host` as they are. transport() is that of `host` and " (staged)".
/// Ranks: local. Throws: NotCompiled where the CUDA module is not there.
std::unique_ptr<Communicator> make_staged_communicator(std::unique_ptr<Communicator> host, Device device);

}  // namespace lockstep
