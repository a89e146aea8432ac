// The signatures that every backend implements, one alias an operation; <op>.cpp checks the arguments and picks one.
#pragma once

#include "kernels/add_bias.h"
#include "kernels/fill_tokens.h"
#include "kernels/gather_rows.h"
#include "kernels/head_norm.h"
#include "kernels/hot_pages.h"
#include "kernels/page_summaries.h"
#include "kernels/paged_attention.h"
#include "kernels/rms_norm.h"
#include "kernels/rope.h"
#include "kernels/sample.h"
#include "kernels/sample_rows.h"
#include "kernels/seal_pages.h"
#include "kernels/select_pages.h"

namespace lockstep {

using AddBiasFn = void(const OpContext&, TensorView x, ConstTensorView bias);
using AddRmsNormFn = void(const OpContext&, TensorView residual, ConstTensorView delta, ConstTensorView weight,
                          float eps, TensorView out);
using ArgmaxRowsFn = void(const OpContext&, ConstTensorView logits, int64_t vocab_begin, std::span<ArgmaxResult> out);
using EmbeddingFn = void(const OpContext&, ConstTensorView ids, ConstTensorView table, int64_t vocab_begin,
                         TensorView out);
using FetchHotPagesFn = void(const OpContext&, const RaggedRows&, int64_t layer, const KvPages&, const PageSelection&,
                             const HotPages&, const HotLists&, bool is_hint);
using FillTokensFn = void(const OpContext&, ConstTensorView ids, ConstTensorView sources, ConstTensorView sampled,
                          TensorView out);
using GatherRowsFn = void(const OpContext&, ConstTensorView in, ConstTensorView rows, TensorView out);
using HeadNormFn = void(const OpContext&, TensorView x, ConstTensorView weight, float eps);
using IndexPagesFn = void(const OpContext&, std::span<const IndexedPage>, int64_t layer, const KvPages&);
using JoinShardsFn = void(const OpContext&, ConstTensorView shards, std::span<const int64_t> bounds, TensorView out);
using PagedAttentionFn = void(const OpContext&, ConstTensorView q, const RaggedRows&, int64_t layer, const KvPages&,
                              float scale, int64_t window, TensorView out, const PageSelection*);
using RmsNormFn = void(const OpContext&, ConstTensorView in, ConstTensorView weight, float eps, TensorView out);
using RopeFn = void(const OpContext&, TensorView x, ConstTensorView positions, const RopeTable&);
using RopeAndWriteKvFn = void(const OpContext&, TensorView q, TensorView k, ConstTensorView v,
                              ConstTensorView positions, const RopeTable&, const RaggedRows&, int64_t layer,
                              const KvPages&);
using SampleRowsFn = void(const OpContext&, ConstTensorView logits, const RowSampling* rows, TensorView tokens);
using SealPagesFn = void(const OpContext&, const FilledPages&, int64_t layer, const KvPages&);
using SelectBestFn = void(const OpContext&, std::span<const ArgmaxResult> shards, TensorView tokens);
using SelectPagesFn = void(const OpContext&, ConstTensorView q, const RaggedRows&, int64_t layer, const KvPages&,
                           float scale, int64_t window, const SparseRule&, const SelectionLists&);
using SwigluFn = void(const OpContext&, ConstTensorView gate_up, TensorView out);
using VoidHotPagesFn = void(const OpContext&, std::span<const int32_t> host_slots, const HotPages&);
using WriteKvFn = void(const OpContext&, ConstTensorView k, ConstTensorView v, const RaggedRows&, int64_t layer,
                       const KvPages&);

namespace cpu {
AddBiasFn add_bias;
AddRmsNormFn add_rms_norm;
ArgmaxRowsFn argmax_rows;
EmbeddingFn embedding;
FillTokensFn fill_tokens;
GatherRowsFn gather_rows;
HeadNormFn head_norm;
IndexPagesFn index_pages;
JoinShardsFn join_shards;
PagedAttentionFn paged_attention;
RmsNormFn rms_norm;
RopeFn rope;
RopeAndWriteKvFn rope_and_write_kv;
SampleRowsFn sample_rows;
SealPagesFn seal_pages;
SelectBestFn select_best;
SelectPagesFn select_pages;
SwigluFn swiglu;
WriteKvFn write_kv;
}  // namespace cpu

namespace cuda {
AddBiasFn add_bias;
AddRmsNormFn add_rms_norm;
ArgmaxRowsFn argmax_rows;
EmbeddingFn embedding;
FetchHotPagesFn fetch_hot_pages;
FillTokensFn fill_tokens;
GatherRowsFn gather_rows;
HeadNormFn head_norm;
IndexPagesFn index_pages;
JoinShardsFn join_shards;
PagedAttentionFn paged_attention;
RmsNormFn rms_norm;
RopeFn rope;
RopeAndWriteKvFn rope_and_write_kv;
SampleRowsFn sample_rows;
SealPagesFn seal_pages;
SelectBestFn select_best;
SelectPagesFn select_pages;
SwigluFn swiglu;
VoidHotPagesFn void_hot_pages;
WriteKvFn write_kv;
}  // namespace cuda

}  // namespace lockstep
