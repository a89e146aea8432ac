#include "dist/model/activations.h"

#include <algorithm>

namespace lockstep {
namespace {

int64_t qkv_head_count(const ModelShard& shard) { return shard.query_heads.size() + 2 * shard.kv_heads.size(); }

int64_t wide_columns(const ModelConfig& config, const ModelShard& shard) {
  return std::max(qkv_head_count(shard) * config.head_dim, 2 * shard.ffn.size());
}

int64_t product_in_columns(const ModelConfig& config, const ModelShard& shard) {
  return std::max(shard.query_heads.size() * config.head_dim, shard.ffn.size());
}

}  // namespace

Activations::Activations(const ModelConfig& config, const ModelShard& shard, DType dtype, int64_t max_tokens,
                         Device device)
    : dtype_(dtype),
      device_(device),
      max_tokens_(max_tokens),
      hidden_(config.hidden_size),
      head_dim_(config.head_dim),
      qkv_heads_(qkv_head_count(shard)),
      query_size_(shard.query_heads.size() * config.head_dim),
      ffn_(shard.ffn.size()),
      vocab_(shard.vocab.size()),
      residual_(max_tokens * hidden_ * size_of(DType::kF32), device),
      delta_(max_tokens * hidden_ * size_of(DType::kF32), device),
      normed_(max_tokens * hidden_ * size_of(dtype), device),
      wide_(max_tokens * wide_columns(config, shard) * size_of(DType::kF32), device),
      product_in_(max_tokens * product_in_columns(config, shard) * size_of(dtype), device) {}

int64_t Activations::bytes(const ModelConfig& config, const ModelShard& shard, DType dtype, int64_t max_tokens) {
  return max_tokens *
         (2 * config.hidden_size * size_of(DType::kF32) + config.hidden_size * size_of(dtype) +
          wide_columns(config, shard) * size_of(DType::kF32) + product_in_columns(config, shard) * size_of(dtype));
}

void Activations::reserve_logits(int64_t tokens) {
  const int64_t needed = tokens * vocab_ * size_of(DType::kF32);
  if (logits_.bytes() >= needed) return;
  logits_ = Buffer(needed, device_);
  picked_ = Buffer(tokens * hidden_ * size_of(dtype_), device_);
}

}  // namespace lockstep
