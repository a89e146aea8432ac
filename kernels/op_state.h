// What operations on a device keep between calls: library handles, workspaces, chosen algorithms.
#pragma once

#include "core/device.h"

#include <cstdint>
#include <memory>
#include <string>

namespace lockstep {

/// Opaque to everybody but the device's bodies; one per rank, used by one thread and one stream at a time.
class OpState {
 public:
  virtual ~OpState() = default;
  /// Device bytes that it holds.
  virtual int64_t bytes() const = 0;
  /// Names and versions of the libraries that decide the bits of results.
  virtual std::string libraries() const = 0;
};

using MakeOpStateFn = std::unique_ptr<OpState>(Device device);

namespace cuda {
MakeOpStateFn make_op_state;
}

/// For a CUDA device; the CPU needs none. Throws NotCompiled where the CUDA module is not there.
std::unique_ptr<OpState> make_op_state(Device device);

}  // namespace lockstep
