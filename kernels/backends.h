// The signatures that every backend implements, one alias an operation; <op>.cpp checks the arguments and picks one.
#pragma once

#include "kernels/paged_attention.h"
#include "kernels/rms_norm.h"
#include "kernels/rope.h"
#include "kernels/sample.h"

namespace lockstep {

using AddRmsNormFn = void(const OpContext&, TensorView residual, ConstTensorView delta, ConstTensorView weight,
                          float eps, TensorView out);
using ArgmaxRowsFn = void(const OpContext&, ConstTensorView logits, int64_t vocab_begin, std::span<ArgmaxResult> out);
using EmbeddingFn = void(const OpContext&, ConstTensorView ids, ConstTensorView table, int64_t vocab_begin,
                         TensorView out);
using PagedAttentionFn = void(const OpContext&, ConstTensorView q, const RaggedRows&, int64_t layer, const KvPages&,
                              float scale, int64_t window, TensorView out);
using RmsNormFn = void(const OpContext&, ConstTensorView in, ConstTensorView weight, float eps, TensorView out);
using RopeFn = void(const OpContext&, TensorView x, ConstTensorView positions, const RopeTable&);
using SwigluFn = void(const OpContext&, ConstTensorView gate_up, TensorView out);
using WriteKvFn = void(const OpContext&, ConstTensorView k, ConstTensorView v, const RaggedRows&, int64_t layer,
                       const KvPages&);

namespace cpu {
AddRmsNormFn add_rms_norm;
ArgmaxRowsFn argmax_rows;
EmbeddingFn embedding;
PagedAttentionFn paged_attention;
RmsNormFn rms_norm;
RopeFn rope;
SwigluFn swiglu;
WriteKvFn write_kv;
}  // namespace cpu

namespace cuda {
AddRmsNormFn add_rms_norm;
ArgmaxRowsFn argmax_rows;
EmbeddingFn embedding;
PagedAttentionFn paged_attention;
RmsNormFn rms_norm;
RopeFn rope;
SwigluFn swiglu;
WriteKvFn write_kv;
}  // namespace cuda

}  // namespace lockstep
