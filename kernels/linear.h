// y = x · Wᵀ + b with weights packed once at load, and sums that do not depend on how the work is split.
//
// Invariant (D0): an output element is a function of its row of x and its row of W only: the same bits for every number
// of rows, threads, column shards and, with segments, input shards of tensor parallelism 1, 2, 4, 8.
#pragma once

#include "core/buffer.h"
#include "core/tensor_view.h"
#include "kernels/context.h"

#include <memory>
#include <span>
#include <vector>

namespace lockstep {

/// How the inner sum over input features is cut. Boundaries are positions on the (local) input axis: front() is 0,
/// back() is in_features. One segment: one running sum. 2, 4 or 8 segments: each has its own sum, and neighbours are
/// added pairwise, ((s0+s1)+(s2+s3))+…, so that a rank holding 8/tp of the 8 segments produces one subtree of the
/// whole.
using SegmentBounds = std::vector<int64_t>;

/// CUDA: the products chosen for one weight shape (kernels/cuda/linear/).
struct LinearAlgorithm;

/// A packed weight matrix. Move-only; the packing depends on device and ISA and is private to the body that made it.
struct LinearWeight {
  int64_t out_features = 0;
  int64_t in_features = 0;
  DType dtype = DType::kF32;
  SegmentBounds segments;
  CpuIsa isa = CpuIsa::kScalar;  // CPU: level it was packed for
  Buffer packed;
  std::shared_ptr<const LinearAlgorithm> algorithm;  // CUDA
  Buffer bias;                                       // F32 [out_features], empty without bias
};

/// Packs rows of W, given as parts stacked along the output axis (for example Q, K and V).
/// Shapes: parts[i] [out_i, in_features], host memory, rows may be strided (a column slice of a mapped tensor);
///         biases: empty, or one [out_i] per part. All parts have one dtype F32, F16 or BF16.
/// Throws: ShapeError, DTypeError, OutOfMemory.
LinearWeight pack_linear_weight(const OpContext& context, std::span<const ConstTensorView> parts,
                                std::span<const ConstTensorView> biases, SegmentBounds segments);

/// Bytes of LinearWeight::packed without packing; a bias adds 4 bytes per output feature.
int64_t packed_linear_bytes(const OpContext& context, int64_t out_features, DType dtype, const SegmentBounds& segments);

/// out = x · Wᵀ + bias, accumulated in F32.
/// Shapes: x [rows, in_features], row stride free, dtype of the weight; out [rows, out_features] F32 or the weight's
///         dtype, row stride free. rows may be 0.
/// Ranks:  local. Throws: ShapeError, DTypeError.
void linear(const OpContext& context, ConstTensorView x, const LinearWeight& weight, TensorView out);

}  // namespace lockstep
