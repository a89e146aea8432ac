#include "kernels/cuda/linear/layout.h"

#include <algorithm>

namespace lockstep::cuda {
namespace {

constexpr int64_t kAlignment = 16;  // bytes of the widest load
constexpr int64_t kOutUnit = 8;     // 16 bytes of the narrowest type that a product is written in

int64_t round_up(int64_t count, int64_t unit) { return (count + unit - 1) / unit * unit; }

}  // namespace

LinearLayout linear_layout(int64_t out_features, DType dtype, const SegmentBounds& segments) {
  LinearLayout layout;
  layout.dtype = dtype;
  layout.out = round_up(out_features, kOutUnit);
  layout.num_segments = static_cast<int64_t>(segments.size()) - 1;
  int64_t shortest = segments.back(), longest = 0;
  for (size_t i = 0; i + 1 < segments.size(); ++i) {
    shortest = std::min(shortest, segments[i + 1] - segments[i]);
    longest = std::max(longest, segments[i + 1] - segments[i]);
  }
  const int64_t unit = kAlignment / size_of(dtype);
  layout.in = std::max(round_up(longest, unit), unit);
  layout.is_exact = shortest == layout.in;
  return layout;
}

bool is_aligned(ConstTensorView matrix) {
  const bool is_start_aligned = reinterpret_cast<uintptr_t>(matrix.data()) % kAlignment == 0;
  const bool has_stride = matrix.size(0) > 1;
  return is_start_aligned && (!has_stride || (matrix.stride(0) >= matrix.size(1) &&
                                              matrix.stride(0) * size_of(matrix.dtype()) % kAlignment == 0));
}

}  // namespace lockstep::cuda
