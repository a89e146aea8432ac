// Which part of every weight a tensor-parallel rank holds. Pure arithmetic.
#pragma once

#include "core/checkpoint/model_config.h"
#include "core/ids.h"

#include <cstdint>
#include <vector>

namespace lockstep {

/// Segments of the fixed summation tree of row-parallel products (see kernels/linear.h).
inline constexpr int64_t kSumSegments = 8;

/// A half-open range [begin, end).
struct Range {
  int64_t begin = 0, end = 0;
  int64_t size() const { return end - begin; }
  bool operator==(const Range&) const = default;
};

/// Even split of [0, total) for `rank` of `tp`: ranges differ by at most one element. Used for the vocabulary.
Range even_shard(int64_t total, int32_t tp, Rank rank);

struct ModelShard {
  Range query_heads;  // column-parallel Q, row-parallel O
  Range kv_heads;     // KV heads this rank holds; several ranks hold the same one when tp > num_kv_heads
  Range ffn;          // column-parallel gate/up, row-parallel down
  Range vocab;        // embedding and logits

  /// Segment boundaries of this rank's part of the input axis of O (times head_dim) and down, relative to the part.
  /// The whole axis of length K has boundaries floor(i * K / 8); a rank of tp in {1, 2, 4, 8} holds 8 / tp whole
  /// segments; any other tp holds its part as one segment (deterministic, but its bits differ from tp 1).
  std::vector<int64_t> output_segments;
  std::vector<int64_t> down_segments;
};

/// Throws ConfigError when tp does not fit the model (see require_tp).
ModelShard shard_of(const ModelConfig& config, int32_t tp, Rank tp_rank);

}  // namespace lockstep
