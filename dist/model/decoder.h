// The decoder: embedding, layers of attention and gated feed-forward, final norm, logits. Third stop on the main path;
// the next are the operations it is made of, kernels/*.h.
//
// Serves Llama, Mistral, Qwen2 and Qwen3: they differ in biases, query/key norms, window and RoPE scaling only.
// Collectives live in the row-parallel layers, so the code reads like that of a single device. The residual stream is
// F32.
#pragma once

#include "core/checkpoint/model_config.h"
#include "dist/communicator.h"
#include "dist/model/activations.h"
#include "dist/model/decoder_weights.h"
#include "dist/model/forward_batch.h"
#include "dist/model/page_selector.h"
#include "dist/sharding.h"
#include "kernels/paged_attention.h"
#include "kernels/rope.h"

#include <cstdint>
#include <functional>

namespace lockstep {

/// One rank's part of a model. Not thread-safe.
class Decoder {
 public:
  /// `max_positions` bounds positions (RoPE table), `max_step_tokens` the tokens of one forward pass (activation
  /// arena). Ranks: local. Throws: FormatError, OutOfMemory.
  Decoder(const OpContext& context, const Checkpoint& checkpoint, const ModelShard& shard, Communicator& communicator,
          DType dtype, int64_t max_step_tokens, int64_t max_positions);

  /// Layout of the KV pages that forward() reads and writes.
  KvLayout kv_layout(int64_t page_tokens) const;

  /// From here on rows that may (RaggedRows::is_sparse) attend to the pages that `selector` names; it outlives the
  /// decoder's use.
  void set_selector(PageSelector* selector) { selector_ = selector; }

  /// Called with the layer before its attention touches the pages.
  using LayerGate = std::function<void(int64_t)>;

  /// Computes the batch, storing its keys and values in `pages`.
  /// Returns: logits(batch.logit_tokens()).
  /// Ranks:   collective; every rank of the group calls with the same batch. Throws: ShapeError, CommError.
  TensorView forward(const ForwardBatch& batch, const KvPages& pages, const LayerGate& gate = {});

  /// Logits of some tokens [k] I32 of the last forward(), by ascending index, each once. The caller bounds their
  /// number, and by it the memory. Returns: this rank's part [tokens.size(), local vocabulary] F32, contiguous, valid
  /// until the next call of this or
  ///          forward().
  /// Ranks:   local.
  TensorView logits(ConstTensorView tokens);

  /// Sets memory aside for the logits of `num_tokens` tokens, so that smaller requests do not move it (graphs name it).
  void reserve_logits(int64_t num_tokens) { activations_.reserve_logits(num_tokens); }

 private:
  void attention(const LayerWeights& weights, int64_t layer, const ForwardBatch& batch, const KvPages& pages);
  void feed_forward(const LayerWeights& weights, int64_t num_tokens, ConstTensorView next_norm);
  void add_and_norm(ConstTensorView x, const RowParallelWeight& weight, ConstTensorView norm);
  float eps() const { return static_cast<float>(config_.rms_norm_eps); }

  OpContext context_;
  ModelConfig config_;
  ModelShard shard_;
  Communicator& communicator_;
  DType dtype_;
  DecoderWeights weights_;
  RopeTable rope_;
  Activations activations_;
  PageSelector* selector_ = nullptr;
  int64_t num_tokens_ = 0;  // of the last forward()
};

}  // namespace lockstep
