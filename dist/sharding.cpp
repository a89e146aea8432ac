#include "dist/sharding.h"

#include "core/error.h"
#include "dist/topology.h"

namespace lockstep {
namespace {

// Boundaries inside `part` of an axis of length `total`, relative to the part's begin.
std::vector<int64_t> segments_of(int64_t total, Range part, int32_t tp, Rank rank) {
  if (kSumSegments % tp != 0) return {0, part.size()};
  const int64_t per_rank = kSumSegments / tp;
  std::vector<int64_t> bounds;
  for (int64_t i = rank.value() * per_rank; i <= (rank.value() + 1) * per_rank; ++i) {
    bounds.push_back(i * total / kSumSegments - part.begin);
  }
  // Holds because tp divides both 8 and the axis: floor(i * total / 8) at a rank's first segment is its first element.
  LS_CHECK(bounds.front() == 0 && bounds.back() == part.size(), "segments [{}, {}] do not cover a part of {} elements",
           bounds.front(), bounds.back(), part.size());
  return bounds;
}

}  // namespace

Range even_shard(int64_t total, int32_t tp, Rank rank) {
  LS_CHECK(tp >= 1 && rank.value() >= 0 && rank.value() < tp, "rank {} of {}", rank.value(), tp);
  return {total * rank.value() / tp, total * (rank.value() + 1) / tp};
}

ModelShard shard_of(const ModelConfig& config, int32_t tp, Rank tp_rank) {
  require_tp(config, tp);
  LS_CHECK(tp_rank.value() >= 0 && tp_rank.value() < tp, "rank {} of {}", tp_rank.value(), tp);

  ModelShard shard;
  shard.query_heads = even_shard(config.num_heads, tp, tp_rank);
  if (tp <= config.num_kv_heads) {
    shard.kv_heads = even_shard(config.num_kv_heads, tp, tp_rank);
  } else {
    // The rank's query heads lie within one group, because tp divides the query heads and is a multiple of the KV
    // heads.
    const int64_t head = tp_rank.value() * config.num_kv_heads / tp;
    shard.kv_heads = {head, head + 1};
  }
  shard.ffn = even_shard(config.intermediate_size, tp, tp_rank);
  shard.vocab = even_shard(config.vocab_size, tp, tp_rank);

  const Range output = {shard.query_heads.begin * config.head_dim, shard.query_heads.end * config.head_dim};
  shard.output_segments = segments_of(config.num_heads * config.head_dim, output, tp, tp_rank);
  shard.down_segments = segments_of(config.intermediate_size, shard.ffn, tp, tp_rank);
  return shard;
}

}  // namespace lockstep
