// How ranks are arranged: replicas (data parallel) of tensor-parallel groups. Pure arithmetic, no communication.
//
// World rank w = replica * tp + tp rank: a tensor-parallel group is consecutive, so that it lies within a node.
#pragma once

#include "core/checkpoint/model_config.h"
#include "core/ids.h"

#include <cstdint>
#include <vector>

namespace lockstep {

class Topology {
 public:
  /// Throws ConfigError unless 0 <= world_rank < world_size and tp divides world_size (naming the divisors).
  Topology(int32_t world_size, int32_t tp, Rank world_rank);

  int32_t world_size() const { return world_size_; }
  int32_t tp() const { return tp_; }
  int32_t dp() const { return world_size_ / tp_; }
  Rank world_rank() const { return world_rank_; }
  Rank tp_rank() const { return Rank(world_rank_.value() % tp_); }
  int32_t replica() const { return world_rank_.value() / tp_; }
  /// First rank of its replica: plans for it.
  bool is_leader() const { return tp_rank().value() == 0; }

 private:
  int32_t world_size_, tp_;
  Rank world_rank_;
};

/// The tensor-parallel degrees that `config` allows: divisors of query heads and FFN size for which KV heads divide
/// evenly or are replicated evenly.
std::vector<int32_t> allowed_tp(const ModelConfig& config);
/// Throws ConfigError naming the degrees that would do.
void require_tp(const ModelConfig& config, int32_t tp);

}  // namespace lockstep
