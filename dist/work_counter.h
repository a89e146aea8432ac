// A counter that several processes draw from: replicas claim requests of one shared queue by it.
//
// Bodies: dist/comm/local/ (threads) and dist/comm/mpi/ (processes). Not collective: a rank draws when it wants.
#pragma once

#include <cstdint>

namespace lockstep {

/// Starts at 0. Thread-safety: one thread at a time per object; objects of different ranks share the count.
class WorkCounter {
 public:
  virtual ~WorkCounter() = default;
  /// Adds `count` and returns the value before: the caller owns [value, value + count).
  /// Throws: CommError.
  virtual int64_t fetch_add(int64_t count) = 0;
};

}  // namespace lockstep
