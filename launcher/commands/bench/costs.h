// What a step of one rank has to move and compute at least, and how long that takes on a machine with given limits.
// Source: Williams, Waterman, Patterson, "Roofline", CACM 2009. Pure arithmetic.
#pragma once

#include "core/checkpoint/model_config.h"
#include "dist/model/sparse_layers.h"
#include "dist/sharding.h"
#include "kernels/kv_layout.h"
#include "launcher/commands/bench/limits.h"

#include <cstdint>
#include <optional>

namespace lockstep::bench {

struct Cost {
  double bytes = 0.0, flops = 0.0;

  /// The longer one of moving the bytes and computing the FLOPs.
  double seconds_at_least(const MachineLimits& limits) const;
};

/// Of one rank's shard; activations, which stay in caches, are not counted.
class ModelCost {
 public:
  /// Pages as they are without codes, every token reads all of them.
  ModelCost(const ModelConfig& config, const ModelShard& shard, DType dtype);
  /// What decode() reads of pages of that layout and by that rule; nothing: all pages. `layout` of all layers.
  void set_pages(const KvLayout& layout, const std::optional<SparseLayers>& rules);

  /// Weights that a decode step reads: all but the embedding's.
  double weight_bytes() const { return weight_bytes_; }
  /// In the model's dtype, as they are written.
  double kv_bytes_per_token() const { return kv_bytes_per_token_; }
  /// Keys and values that one token at that position reads, its own included; scales and the summaries that sparse
  /// attention looks through count in.
  double kv_bytes_read(double context) const;
  /// One token each of `batch` sequences with `context` tokens.
  Cost decode(double batch, double context) const;
  /// Whole prompts, computed in `steps` steps: the weights are read in each.
  Cost prefill(double batch, double prompt_tokens, double steps) const;

 private:
  // Positions of a layer within its window.
  double seen_in(int64_t layer, double context) const;
  // Of those, the ones that a token reads.
  double read_in(int64_t layer, double context) const;
  // Sum over layers of the positions that a token at `context` reads.
  double read(double context) const;
  double seen_by_prompt(double tokens) const;

  ModelConfig config_;
  KvLayout layout_;
  std::optional<SparseLayers> rules_;
  double layer_weights_, head_weights_;  // numbers
  double weight_bytes_, kv_bytes_per_token_;
  double attention_flops_;  // per token seen and layer
};

}  // namespace lockstep::bench
