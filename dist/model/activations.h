// The activation arena: memory for the intermediate results of one forward pass, allocated once and reused by every
// layer. Its size is bounded by the tokens of one step, whatever the length of the prompts.
#pragma once

#include "core/buffer.h"
#include "core/checkpoint/model_config.h"
#include "core/tensor_view.h"
#include "dist/sharding.h"

#include <cstdint>

namespace lockstep {

class Activations {
 public:
  Activations(const ModelConfig& config, const ModelShard& shard, DType dtype, int64_t max_tokens, Device device);
  /// Bytes that an arena of these sizes holds.
  static int64_t bytes(const ModelConfig& config, const ModelShard& shard, DType dtype, int64_t max_tokens);

  int64_t max_tokens() const { return max_tokens_; }
  // Views of the first `tokens` rows. F32 unless they feed a product, then the model's dtype.
  TensorView residual(int64_t tokens) const { return residual_.view(DType::kF32, {tokens, hidden_}); }
  TensorView delta(int64_t tokens) const { return delta_.view(DType::kF32, {tokens, hidden_}); }
  TensorView normed(int64_t tokens) const { return normed_.view(dtype_, {tokens, hidden_}); }
  TensorView picked(int64_t tokens) const { return picked_.view(dtype_, {tokens, hidden_}); }
  /// [tokens, query heads + 2 * KV heads, head_dim]
  TensorView qkv(int64_t tokens) const { return wide_.view(DType::kF32, {tokens, qkv_heads_, head_dim_}); }
  TensorView attended(int64_t tokens) const { return product_in_.view(dtype_, {tokens, query_size_}); }
  TensorView gate_up(int64_t tokens) const { return wide_.view(DType::kF32, {tokens, 2 * ffn_}); }
  TensorView gated(int64_t tokens) const { return product_in_.view(dtype_, {tokens, ffn_}); }
  TensorView logits(int64_t tokens) const { return logits_.view(DType::kF32, {tokens, vocab_}); }

  /// Makes room for logits of `tokens` rows (few in prefill, so not sized for the worst case up front). Never shrinks.
  void reserve_logits(int64_t tokens);

 private:
  DType dtype_;
  Device device_;
  int64_t max_tokens_, hidden_, head_dim_, qkv_heads_, query_size_, ffn_, vocab_;
  Buffer residual_, delta_, normed_, picked_;
  Buffer wide_;        // QKV, later gate and up
  Buffer product_in_;  // attention output, later the gated FFN activation
  Buffer logits_;
};

}  // namespace lockstep
