// Rotary position embedding with the frequency scalings of Llama 3, YaRN and linear interpolation.
#pragma once

#include "core/buffer.h"
#include "core/checkpoint/model_config.h"
#include "core/tensor_view.h"
#include "kernels/context.h"
#include "kernels/paged_attention.h"

namespace lockstep {

/// cos and sin of every position and frequency, computed in double and rounded once.
struct RopeTable {
  Buffer storage;
  /// [max_positions, head_dim / 2] F32 each; attention factors of YaRN are multiplied in.
  TensorView cos, sin;
};

/// Source: Su et al. 2021; llama3 scaling: Llama 3.1 reference; YaRN: Peng et al. 2023 (as transformers computes it).
RopeTable make_rope_table(const OpContext& context, const ModelConfig& config, int64_t max_positions);

/// rope(q), rope(k) and write_kv(k, v) in one pass. k may be left unrotated. Shapes and errors as those.
/// Ranks: local.
void rope_and_write_kv(const OpContext& context, TensorView q, TensorView k, ConstTensorView v,
                       ConstTensorView positions, const RopeTable& table, const RaggedRows& rows, int64_t layer,
                       const KvPages& pages);

/// Rotates x in place: pairs (i, i + head_dim / 2) of each head (Hugging Face's half-split form).
/// Shapes: x [tokens, heads, head_dim] F32, token stride free; positions [tokens] I32, each < table rows.
/// Ranks: local. Throws: ShapeError, DTypeError.
void rope(const OpContext& context, TensorView x, ConstTensorView positions, const RopeTable& table);

}  // namespace lockstep
