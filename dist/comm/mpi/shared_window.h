// Memory that all ranks of a node-local communicator see. Private to dist/comm/mpi/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mpi.h>
#include <vector>

namespace lockstep {

/// Every rank contributes `bytes`, zero-filled and near its own cores, and sees everyone's. Access is by plain loads
/// and stores, ordered by the atomics that users put into it. Ranks: constructor and destructor are collective, and
/// both synchronise. Throws: MpiError.
class SharedWindow {
 public:
  SharedWindow(MPI_Comm comm, int64_t bytes);
  ~SharedWindow();
  SharedWindow(const SharedWindow&) = delete;
  SharedWindow& operator=(const SharedWindow&) = delete;

  /// Rank r's part. Aligned to a cache line.
  std::byte* part(int32_t rank) const { return parts_[static_cast<size_t>(rank)]; }
  const std::vector<std::byte*>& parts() const { return parts_; }

 private:
  MPI_Win window_ = MPI_WIN_NULL;
  std::vector<std::byte*> parts_;
};

}  // namespace lockstep
