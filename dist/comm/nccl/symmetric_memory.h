// Device memory that NCCL knows at equal places on all ranks, so that its kernels read and write the peers' directly.
// In the CUDA module.
#pragma once

#include "dist/comm/nccl/checked_comm.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace lockstep::cuda {

class SymmetricMemory {
 public:
  /// Ranks: collective, the same size. Throws: OutOfMemory, NcclError.
  SymmetricMemory(CheckedComm& comm, int64_t bytes);
  /// The GPU must be done with it. Memory of a failed group stays mapped: its kernels may still end.
  ~SymmetricMemory();
  SymmetricMemory(const SymmetricMemory&) = delete;
  SymmetricMemory& operator=(const SymmetricMemory&) = delete;

  void* data() const { return data_; }
  int64_t bytes() const { return bytes_; }
  /// Null where the library or the machine has no symmetric memory; sums take another way then.
  ncclWindow_t window() const { return window_; }

 private:
  CheckedComm& comm_;
  int64_t bytes_ = 0;
  void* data_ = nullptr;
  ncclWindow_t window_ = nullptr;
};

/// Grows on demand and keeps what it outgrew: recorded graphs may name it.
class SymmetricBuffer {
 public:
  explicit SymmetricBuffer(CheckedComm& comm) : comm_(comm) {}
  /// At least `bytes`, the same memory as long as no call asked for more. Ranks: collective, the same size.
  const SymmetricMemory& at_least(int64_t bytes);
  int64_t capacity() const { return blocks_.empty() ? 0 : blocks_.back()->bytes(); }

 private:
  CheckedComm& comm_;
  std::vector<std::unique_ptr<SymmetricMemory>> blocks_;  // last: in use
};

}  // namespace lockstep::cuda
