// What stands before and behind a product where operands are not as cuBLASLt needs them. Memory-bound, one pass each.
#pragma once

#include "kernels/context.h"
#include "kernels/cuda/linear/layout.h"
#include "kernels/linear.h"

namespace lockstep::cuda {

/// x [rows, in_features] → `to` [rows, segments, in] of the layout, zeros behind each segment's features.
void pad_rows(const OpContext& context, ConstTensorView x, const SegmentBounds& segments, const LinearLayout& layout,
              void* to);

/// out[r, n] = sums added pairwise, ((s0+s1)+(s2+s3))+… (+ bias[n]) in F32, rounded once.
/// Shapes: sums F32 [segments, rows, layout.out]; bias F32 [out_features] or null; out [rows, out_features].
void finish_rows(const OpContext& context, const float* sums, const LinearLayout& layout, const float* bias,
                 TensorView out);

}  // namespace lockstep::cuda
