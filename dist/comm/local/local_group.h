// Threads of one process as ranks: the transport of tests and of debugging a decoder without a launcher.
//
// Sums run through the same code as on the processes of a node (dist/comm/shared_sum.h), so the bits are the same.
#pragma once

#include "dist/communicator.h"

#include <functional>
#include <memory>
#include <string_view>

namespace lockstep {

struct LocalShared;

/// A group of `size` ranks. Hands out one Communicator per rank, each for a thread of its own; they may outlive it.
class LocalGroup {
 public:
  explicit LocalGroup(int32_t size);
  ~LocalGroup();

  std::unique_ptr<Communicator> communicator(Rank rank) const;
  /// From now on every operation of every rank, waiting ones and those of split groups included, throws CommError with
  /// `reason`. The first reason counts. Thread-safe.
  void abort(std::string_view reason);

 private:
  std::shared_ptr<LocalShared> shared_;
};

/// Runs `body` on `size` threads, one a rank, and waits for them. A rank that throws aborts the group; the first
/// exception is rethrown.
void run_local_ranks(int32_t size, const std::function<void(Communicator&)>& body);

}  // namespace lockstep
