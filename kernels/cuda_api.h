// The operations' CUDA bodies as the module exports them; each <op>.cpp checks its arguments and picks one from here.
#pragma once

#include "kernels/backends.h"
#include "kernels/linear_backends.h"
#include "kernels/op_state.h"

namespace lockstep {

struct CudaKernelsApi {
  MakeOpStateFn* make_op_state;
  AddBiasFn* add_bias;
  AddRmsNormFn* add_rms_norm;
  ArgmaxRowsFn* argmax_rows;
  EmbeddingFn* embedding;
  FetchHotPagesFn* fetch_hot_pages;
  FillTokensFn* fill_tokens;
  GatherRowsFn* gather_rows;
  HeadNormFn* head_norm;
  IndexPagesFn* index_pages;
  JoinShardsFn* join_shards;
  PagedAttentionFn* paged_attention;
  RmsNormFn* rms_norm;
  RopeFn* rope;
  RopeAndWriteKvFn* rope_and_write_kv;
  SampleRowsFn* sample_rows;
  SealPagesFn* seal_pages;
  SelectBestFn* select_best;
  SelectPagesFn* select_pages;
  SwigluFn* swiglu;
  VoidHotPagesFn* void_hot_pages;
  WriteKvFn* write_kv;
  PackLinearFn* pack_linear_weight;
  PackedLinearBytesFn* packed_linear_bytes;
  LinearFn* linear;
};

/// Throws NotCompiled where the module is not there.
const CudaKernelsApi& cuda_kernels();

}  // namespace lockstep
