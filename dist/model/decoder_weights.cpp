#include "dist/model/decoder_weights.h"

#include "core/error.h"
#include "dist/model/convert.h"

#include <array>
#include <cstring>
#include <string>

namespace lockstep {
namespace {

// Builds the shard of one checkpoint tensor after the other.
class WeightLoader {
 public:
  WeightLoader(const OpContext& context, const Checkpoint& checkpoint, const ModelShard& shard, DType dtype)
      : context_(context), checkpoint_(checkpoint), config_(checkpoint.config()), shard_(shard), dtype_(dtype) {}

  DecoderWeights load() {
    const Shape vocab_shape{config_.vocab_size, config_.hidden_size};
    const ConstTensorView embedding = checkpoint_.tensor("model.embed_tokens.weight", vocab_shape);
    const ConstTensorView head =
        config_.tie_word_embeddings ? embedding : checkpoint_.tensor("lm_head.weight", vocab_shape);
    DecoderWeights weights;
    weights.embedding = own(embedding.slice(0, shard_.vocab.begin, shard_.vocab.end));
    for (int64_t layer = 0; layer < config_.num_layers; ++layer) weights.layers.push_back(load_layer(layer));
    weights.final_norm = vector("model.norm.weight", config_.hidden_size);
    weights.lm_head = pack({head.slice(0, shard_.vocab.begin, shard_.vocab.end)}, {}, {0, config_.hidden_size});
    return weights;
  }

 private:
  LayerWeights load_layer(int64_t layer) {
    const std::string prefix = fmt::format("model.layers.{}.", layer);
    LayerWeights weights;
    weights.input_norm = vector(prefix + "input_layernorm.weight", config_.hidden_size);
    weights.post_attention_norm = vector(prefix + "post_attention_layernorm.weight", config_.hidden_size);
    if (config_.qk_norm) {
      weights.q_norm = vector(prefix + "self_attn.q_norm.weight", config_.head_dim);
      weights.k_norm = vector(prefix + "self_attn.k_norm.weight", config_.head_dim);
    }

    const Range q = heads(shard_.query_heads), kv = heads(shard_.kv_heads);
    const int64_t q_size = config_.num_heads * config_.head_dim, kv_size = config_.num_kv_heads * config_.head_dim;
    const std::string attention = prefix + "self_attn.";
    std::vector<ConstTensorView> biases;
    if (config_.qkv_bias) {
      biases = {bias_rows(attention + "q_proj.bias", q_size, q), bias_rows(attention + "k_proj.bias", kv_size, kv),
                bias_rows(attention + "v_proj.bias", kv_size, kv)};
    }
    weights.qkv = pack({rows(attention + "q_proj.weight", q_size, q), rows(attention + "k_proj.weight", kv_size, kv),
                        rows(attention + "v_proj.weight", kv_size, kv)},
                       biases, {0, config_.hidden_size});
    weights.output = row_parallel(attention + "o_proj", q_size, q, shard_.output_segments, config_.output_bias);

    const int64_t ffn = config_.intermediate_size;
    const std::string mlp = prefix + "mlp.";
    biases.clear();
    if (config_.mlp_bias) {
      biases = {bias_rows(mlp + "gate_proj.bias", ffn, shard_.ffn), bias_rows(mlp + "up_proj.bias", ffn, shard_.ffn)};
    }
    weights.gate_up =
        pack({rows(mlp + "gate_proj.weight", ffn, shard_.ffn), rows(mlp + "up_proj.weight", ffn, shard_.ffn)}, biases,
             {0, config_.hidden_size});
    weights.down = row_parallel(mlp + "down_proj", ffn, shard_.ffn, shard_.down_segments, config_.mlp_bias);
    return weights;
  }

  Range heads(Range range) const { return {range.begin * config_.head_dim, range.end * config_.head_dim}; }

  ConstTensorView rows(const std::string& name, int64_t out_features, Range range) {
    return checkpoint_.tensor(name, {out_features, config_.hidden_size}).slice(0, range.begin, range.end);
  }
  ConstTensorView bias_rows(const std::string& name, int64_t size, Range range) {
    return checkpoint_.tensor(name, {size}).slice(0, range.begin, range.end);
  }
  OwnedTensor vector(const std::string& name, int64_t size) { return own(checkpoint_.tensor(name, {size})); }

  RowParallelWeight row_parallel(const std::string& name, int64_t in_features, Range range,
                                 const SegmentBounds& segments, bool has_bias) {
    RowParallelWeight weight;
    const ConstTensorView all = checkpoint_.tensor(name + ".weight", {config_.hidden_size, in_features});
    weight.weight = pack({all.slice(1, range.begin, range.end)}, {}, segments);
    if (has_bias) {
      const ConstTensorView bias = checkpoint_.tensor(name + ".bias", {config_.hidden_size});
      weight.bias = convert_to_device(context_, bias, DType::kF32);
    }
    return weight;
  }

  LinearWeight pack(std::vector<ConstTensorView> parts, const std::vector<ConstTensorView>& biases,
                    SegmentBounds segments) {
    std::vector<Buffer> converted;  // lives until the parts are packed
    for (ConstTensorView& part : parts) {
      if (part.dtype() == dtype_) continue;
      converted.push_back(convert_to_host(part, dtype_));
      part = converted.back().view(dtype_, part.shape());
    }
    return pack_linear_weight(context_, parts, biases, std::move(segments));
  }

  OwnedTensor own(ConstTensorView source) {
    OwnedTensor tensor{convert_to_device(context_, source, dtype_), {}};
    tensor.view = tensor.storage.view(dtype_, source.shape());
    return tensor;
  }

  const OpContext& context_;
  const Checkpoint& checkpoint_;
  const ModelConfig& config_;
  const ModelShard& shard_;
  DType dtype_;
};

}  // namespace

DecoderWeights load_decoder_weights(const OpContext& context, const Checkpoint& checkpoint, const ModelShard& shard,
                                    DType dtype) {
  return WeightLoader(context, checkpoint, shard, dtype).load();
}

int64_t decoder_weight_bytes(const OpContext& context, const ModelConfig& config, const ModelShard& shard,
                             DType dtype) {
  const int64_t element = size_of(dtype), hidden = config.hidden_size, head = config.head_dim;
  const int64_t bias = size_of(DType::kF32);
  const int64_t qkv_rows = (shard.query_heads.size() + 2 * shard.kv_heads.size()) * head;
  const auto packed = [&](int64_t out, const SegmentBounds& segments) {
    return packed_linear_bytes(context, out, dtype, segments);
  };
  int64_t layer = packed(qkv_rows, {0, hidden}) + packed(hidden, shard.output_segments) +
                  packed(2 * shard.ffn.size(), {0, hidden}) + packed(hidden, shard.down_segments) +
                  2 * hidden * element;
  if (config.qk_norm) layer += 2 * head * element;
  if (config.qkv_bias) layer += qkv_rows * bias;
  if (config.output_bias) layer += hidden * bias;
  if (config.mlp_bias) layer += (2 * shard.ffn.size() + hidden) * bias;
  return config.num_layers * layer + shard.vocab.size() * hidden * element + hidden * element +
         packed(shard.vocab.size(), {0, hidden});
}

}  // namespace lockstep
