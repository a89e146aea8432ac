// Brings whole rows of logits from the vocabulary shards of a tensor-parallel group to its leader.
#pragma once

#include "dist/communicator.h"

#include <cstdint>
#include <span>
#include <vector>

namespace lockstep {

/// Keeps its memory from call to call: as much as the most rows so far. Not thread-safe.
class LogitGather {
 public:
  /// `group` must outlive this.
  LogitGather(Communicator& group, int64_t vocab_size) : group_(group), vocab_size_(vocab_size) {}

  /// Shapes:  shard [num_rows, this rank's part of the vocabulary], contiguous.
  /// Returns: on rank 0 [num_rows, vocabulary], in vocabulary order whatever the number of ranks, valid and writable
  ///          until the next call; on other ranks nothing.
  /// Ranks:   collective, with the same num_rows. Throws: CommError.
  std::span<float> gather(std::span<const float> shard, int64_t num_rows);

 private:
  Communicator& group_;
  int64_t vocab_size_;
  std::vector<float> by_rank_, rows_;
};

}  // namespace lockstep
