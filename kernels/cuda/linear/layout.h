// How a packed weight lies in device memory: one block [out, in] a segment, row-major, in the weight's own type. Rows
// and columns are padded with zeros, so that each starts at a multiple of 16 bytes and products of odd sizes run
// through the same algorithms as all others. A zero more at the end of a sum changes no bits.
#pragma once

#include "kernels/linear.h"

#include <cstdint>

namespace lockstep::cuda {

struct LinearLayout {
  DType dtype = DType::kF32;
  int64_t out = 0;           // rows of a block, padded
  int64_t in = 0;            // of the longest segment, padded; at least one unit
  int64_t num_segments = 1;  // blocks
  bool is_exact = false;     // no segment is padded: rows of x can be read where they are

  int64_t row_bytes() const { return in * size_of(dtype); }
  int64_t num_rows() const { return num_segments * out; }
  int64_t packed_bytes() const { return num_rows() * row_bytes(); }
};

LinearLayout linear_layout(int64_t out_features, DType dtype, const SegmentBounds& segments);

/// True if a matrix starts and every row of it lies at a multiple of 16 bytes, as all chosen algorithms need.
bool is_aligned(ConstTensorView matrix);

}  // namespace lockstep::cuda
