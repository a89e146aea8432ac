// The weights that one tensor-parallel rank holds, packed for its device.
#pragma once

#include "core/buffer.h"
#include "core/checkpoint/checkpoint.h"
#include "dist/model/row_parallel.h"
#include "dist/sharding.h"
#include "kernels/context.h"
#include "kernels/linear.h"

#include <optional>
#include <vector>

namespace lockstep {

/// A small tensor and the memory it owns.
struct OwnedTensor {
  Buffer storage;
  TensorView view;
};

struct LayerWeights {
  OwnedTensor input_norm, post_attention_norm;  // [hidden]
  LinearWeight qkv;                             // rows: this rank's Q, then K, then V heads
  std::optional<OwnedTensor> q_norm, k_norm;    // [head_dim], Qwen3
  RowParallelWeight output;                     // columns: this rank's query heads
  LinearWeight gate_up;                         // rows: this rank's gate, then up features
  RowParallelWeight down;                       // columns: this rank's FFN features
};

struct DecoderWeights {
  OwnedTensor embedding;  // [local vocabulary, hidden]
  std::vector<LayerWeights> layers;
  OwnedTensor final_norm;
  LinearWeight lm_head;  // rows: this rank's part of the vocabulary
};

/// Reads this rank's slices only. Tensors stored in another type than `dtype` are converted (rounded to nearest even).
/// Throws: FormatError naming a missing or misshapen tensor; OutOfMemory. Ranks: local.
DecoderWeights load_decoder_weights(const OpContext& context, const Checkpoint& checkpoint, const ModelShard& shard,
                                    DType dtype);

/// Bytes that load_decoder_weights will hold, without reading a weight.
int64_t decoder_weight_bytes(const OpContext& context, const ModelConfig& config, const ModelShard& shard, DType dtype);

}  // namespace lockstep
