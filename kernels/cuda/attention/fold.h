// Decode's spans of keys spread over CTAs: when, where their results lie in between, and the kernel that folds them.
#pragma once

#include "kernels/context.h"

#include <cstdint>
#include <cuda_runtime.h>

namespace lockstep::cuda {

struct AttentionArguments;

/// Per (row, query head, span of 512 keys) the maximum, l and O [head_dim], not yet divided by l. Scratch memory; null
/// where nothing is split.
struct SpanResults {
  float* o = nullptr;
  float2* states = nullptr;
  int32_t num_heads = 0, num_spans = 0;
  __host__ __device__ int64_t place(int64_t row, int64_t head, int64_t span) const {
    return (row * num_heads + head) * num_spans + span;
  }
};

struct DecodePlan {
  int64_t num_grid_spans = 1;
  SpanResults split;
};

/// A function of the number of rows, `heads` (CTAs a row) and max_end rounded up to a power of two of spans, so that
/// recorded launches keep their grid and scratch memory.
DecodePlan plan_decode(const OpContext& context, const AttentionArguments& args, int64_t heads, int64_t max_end);

/// Folds each row's spans in ascending order into its output; rows of one token only.
void fold_spans(const OpContext& context, const AttentionArguments& args, const SpanResults& spans);

}  // namespace lockstep::cuda
