#include "dist/model/decoder.h"

#include "core/error.h"
#include "core/trace.h"
#include "kernels/gather_rows.h"
#include "kernels/head_norm.h"
#include "kernels/page_summaries.h"
#include "kernels/rms_norm.h"
#include "kernels/seal_pages.h"
#include "kernels/swiglu.h"

#include <cmath>

namespace lockstep {
namespace {

// [tokens, a, b] as [tokens, a * b].
TensorView flatten(TensorView x) { return {x.data(), x.dtype(), {x.size(0), x.size(1) * x.size(2)}, x.device()}; }

}  // namespace

Decoder::Decoder(const OpContext& context, const Checkpoint& checkpoint, const ModelShard& shard,
                 Communicator& communicator, DType dtype, int64_t max_step_tokens, int64_t max_positions)
    : context_(context),
      config_(checkpoint.config()),
      shard_(shard),
      communicator_(communicator),
      dtype_(dtype),
      weights_(load_decoder_weights(context, checkpoint, shard, dtype)),
      rope_(make_rope_table(context, config_, max_positions)),
      activations_(config_, shard, dtype, max_step_tokens, context.device) {}

KvLayout Decoder::kv_layout(int64_t page_tokens) const {
  return {.page_tokens = page_tokens,
          .num_kv_heads = shard_.kv_heads.size(),
          .num_layers = config_.num_layers,
          .head_dim = config_.head_dim,
          .dtype = dtype_};
}

TensorView Decoder::forward(const ForwardBatch& batch, const KvPages& pages, const LayerGate& gate) {
  const int64_t tokens = batch.num_tokens();
  LS_REQUIRE(ShapeError, tokens <= activations_.max_tokens(), "a step of {} tokens; the activation arena holds {}",
             tokens, activations_.max_tokens());
  const TensorView residual = activations_.residual(tokens);
  vocab_parallel_embedding(context_, communicator_, batch.token_ids(), weights_.embedding.view, shard_.vocab.begin,
                           residual);
  rms_norm(context_, residual, weights_.layers.front().input_norm.view, eps(), activations_.normed(tokens));
  for (size_t layer = 0; layer < weights_.layers.size(); ++layer) {
    const LayerWeights& weights = weights_.layers[layer];
    const auto span = StreamSpan::of_layer(context_.tracer, context_.stream, static_cast<int64_t>(layer));
    if (gate) gate(static_cast<int64_t>(layer));
    if (!batch.arrived().empty()) index_pages(context_, batch.arrived(), static_cast<int64_t>(layer), pages);
    attention(weights, static_cast<int64_t>(layer), batch, pages);
    const bool is_last = layer + 1 == weights_.layers.size();
    feed_forward(weights, tokens, is_last ? weights_.final_norm.view : weights_.layers[layer + 1].input_norm.view);
  }
  num_tokens_ = tokens;
  return logits(batch.logit_tokens());
}

// normed → residual, normed
void Decoder::attention(const LayerWeights& weights, int64_t layer, const ForwardBatch& batch, const KvPages& pages) {
  const int64_t tokens = batch.num_tokens();
  const int64_t query_heads = shard_.query_heads.size(), kv_heads = shard_.kv_heads.size();
  const TensorView qkv = activations_.qkv(tokens);
  linear(context_, activations_.normed(tokens), weights.qkv, flatten(qkv));
  const TensorView q = qkv.slice(1, 0, query_heads);
  const TensorView k = qkv.slice(1, query_heads, query_heads + kv_heads);
  const TensorView v = qkv.slice(1, query_heads + kv_heads, query_heads + 2 * kv_heads);
  if (weights.q_norm) {
    head_norm(context_, q, weights.q_norm->view, eps());
    head_norm(context_, k, weights.k_norm->view, eps());
  }
  rope_and_write_kv(context_, q, k, v, batch.positions(), rope_, batch.rows(), layer, pages);
  seal_pages(context_, batch.filled(), layer, pages);

  const auto scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(config_.head_dim)));
  const int64_t window = config_.window_of(LayerId(static_cast<int32_t>(layer)));
  const TensorView attended = activations_.attended(tokens);
  PageSelection selection;
  const bool is_sparse = selector_ != nullptr && batch.has_sparse_rows();
  if (is_sparse) selection = selector_->select(q, batch.rows(), layer, pages, scale, window);
  paged_attention(context_, q, batch.rows(), layer, pages, scale, window, attended, is_sparse ? &selection : nullptr);
  add_and_norm(attended, weights.output, weights.post_attention_norm.view);
}

// normed → residual, normed by the next layer's norm
void Decoder::feed_forward(const LayerWeights& weights, int64_t num_tokens, ConstTensorView next_norm) {
  const TensorView gate_up = activations_.gate_up(num_tokens), gated = activations_.gated(num_tokens);
  linear(context_, activations_.normed(num_tokens), weights.gate_up, gate_up);
  swiglu(context_, gate_up, gated);
  add_and_norm(gated, weights.down, next_norm);
}

void Decoder::add_and_norm(ConstTensorView x, const RowParallelWeight& weight, ConstTensorView norm) {
  const int64_t tokens = x.size(0);
  row_parallel_add_rms_norm(context_, communicator_, x, weight, activations_.residual(tokens), norm, eps(),
                            activations_.delta(tokens), activations_.normed(tokens));
}

TensorView Decoder::logits(ConstTensorView tokens) {
  const int64_t count = tokens.size(0);
  activations_.reserve_logits(count);
  TensorView rows = activations_.normed(num_tokens_);
  if (count < num_tokens_) {
    gather_rows(context_, rows, tokens, activations_.picked(count));
    rows = activations_.picked(count);
  }
  const TensorView out = activations_.logits(count);
  linear(context_, rows, weights_.lm_head, out);
  return out;
}

}  // namespace lockstep
