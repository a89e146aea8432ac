#include "launcher/commands/bench/costs.h"

#include "kernels/page_summaries.h"

#include <algorithm>
#include <cmath>

namespace lockstep::bench {

double Cost::seconds_at_least(const MachineLimits& limits) const {
  return std::max(bytes / limits.bytes_per_second, flops / limits.flops_per_second);
}

ModelCost::ModelCost(const ModelConfig& config, const ModelShard& shard, DType dtype) : config_(config) {
  const int64_t hidden = config.hidden_size, head = config.head_dim;
  const int64_t query = shard.query_heads.size() * head, kv = shard.kv_heads.size() * head;
  const int64_t layer = hidden * (2 * query + 2 * kv + 3 * shard.ffn.size());
  layer_weights_ = static_cast<double>(config.num_layers * layer);
  head_weights_ = static_cast<double>(shard.vocab.size() * hidden);
  const auto element = static_cast<double>(size_of(dtype));
  weight_bytes_ = (layer_weights_ + head_weights_) * element;
  kv_bytes_per_token_ = static_cast<double>(2 * kv * config.num_layers) * element;
  layout_ = {.page_tokens = 64,
             .num_kv_heads = shard.kv_heads.size(),
             .num_layers = config.num_layers,
             .head_dim = head,
             .dtype = dtype};
  attention_flops_ = static_cast<double>(4 * query);  // two products, a multiplication and an addition each
}

void ModelCost::set_pages(const KvLayout& layout, const std::optional<SparseLayers>& rules) {
  layout_ = layout;
  rules_ = rules;
}

double ModelCost::seen_in(int64_t layer, double context) const {
  const auto window = static_cast<double>(config_.window_of(LayerId(static_cast<int32_t>(layer))));
  return window > 0.0 ? std::min(context, window) : context;
}

double ModelCost::read_in(int64_t layer, double context) const {
  const double seen = seen_in(layer, context);
  if (!rules_ || rules_->is_dense(layer) || seen < static_cast<double>(rules_->shared().dense_below)) return seen;
  const auto page = static_cast<double>(layout_.page_tokens);
  const auto candidates = static_cast<int64_t>(std::ceil(seen / page));
  return std::min(seen, page * static_cast<double>(most_selected_pages(rules_->of(layer), candidates)));
}

double ModelCost::read(double context) const {
  double sum = 0.0;
  for (int64_t layer = 0; layer < config_.num_layers; ++layer) sum += read_in(layer, context);
  return sum;
}

// Position p sees p + 1 positions, or the window.
double ModelCost::seen_by_prompt(double tokens) const {
  double sum = 0.0;
  for (int64_t layer = 0; layer < config_.num_layers; ++layer) {
    const auto window = static_cast<double>(config_.window_of(LayerId(static_cast<int32_t>(layer))));
    const double growing = window > 0.0 ? std::min(tokens, window) : tokens;
    sum += growing * (growing + 1.0) / 2.0 + (tokens - growing) * window;
  }
  return sum;
}

// The page that is written, of which half is there on average, has the model's dtype.
double ModelCost::kv_bytes_read(double context) const {
  const auto heads = static_cast<double>(layout_.num_kv_heads), page = static_cast<double>(layout_.page_tokens);
  const auto position = static_cast<double>(2 * layout_.head_dim * size_of(layout_.dtype));
  double sum = 0.0;
  for (int64_t layer = 0; layer < config_.num_layers; ++layer) {
    const double all = read_in(layer, context);
    const double open = layout_.is_coded() ? std::min(all, page / 2.0) : all;
    const auto sealed_page = static_cast<double>(layout_.k_bytes(layer) + layout_.v_bytes());
    sum += heads * (open * position + (all - open) / page * sealed_page);
    if (all < seen_in(layer, context))
      sum += heads * std::max(std::ceil(seen_in(layer, context) / page) - 1.0, 0.0) *
             static_cast<double>(summary_entry_bytes(layout_));
  }
  return sum;
}

Cost ModelCost::decode(double batch, double context) const {
  return {weight_bytes_ + batch * kv_bytes_read(context),
          batch * (2.0 * (layer_weights_ + head_weights_) + attention_flops_ * read(context))};
}

Cost ModelCost::prefill(double batch, double prompt_tokens, double steps) const {
  return {steps * weight_bytes_ + batch * prompt_tokens * kv_bytes_per_token_,
          batch * (prompt_tokens * 2.0 * layer_weights_ + 2.0 * head_weights_ +
                   attention_flops_ * seen_by_prompt(prompt_tokens))};
}

}  // namespace lockstep::bench
