#include "launcher/commands/bench/costs.h"

#include <algorithm>

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
  attention_flops_ = static_cast<double>(4 * query);  // two products, a multiplication and an addition each
}

double ModelCost::seen(double context) const {
  double sum = 0.0;
  for (int64_t layer = 0; layer < config_.num_layers; ++layer) {
    const auto window = static_cast<double>(config_.window_of(LayerId(static_cast<int32_t>(layer))));
    sum += window > 0.0 ? std::min(context, window) : context;
  }
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

double ModelCost::kv_bytes_read(double context) const {
  return kv_bytes_per_token_ / static_cast<double>(config_.num_layers) * seen(context);
}

Cost ModelCost::decode(double batch, double context) const {
  return {weight_bytes_ + batch * kv_bytes_read(context),
          batch * (2.0 * (layer_weights_ + head_weights_) + attention_flops_ * seen(context))};
}

Cost ModelCost::prefill(double batch, double prompt_tokens, double steps) const {
  return {steps * weight_bytes_ + batch * prompt_tokens * kv_bytes_per_token_,
          batch * (prompt_tokens * 2.0 * layer_weights_ + 2.0 * head_weights_ +
                   attention_flops_ * seen_by_prompt(prompt_tokens))};
}

}  // namespace lockstep::bench
