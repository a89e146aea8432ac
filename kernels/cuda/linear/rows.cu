#include "kernels/cuda/address.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/linear/rows.h"

#include <algorithm>

namespace lockstep::cuda {
namespace {

constexpr int64_t kMaxThreads = 256;
constexpr int kMaxSegments = 8;

struct Bounds {
  int64_t at[kMaxSegments + 1];
};

/// Block (x, y, z): piece x of segment z of row y. A thread moves a group of elements.
template <class T>
__global__ void pad_rows_kernel(Rows<const T> x, Bounds bounds, T* to, int64_t in) {
  const int64_t first = (int64_t{blockIdx.x} * blockDim.x + threadIdx.x) * kGroup;
  if (first >= in) return;
  const int64_t begin = bounds.at[blockIdx.z], left = bounds.at[blockIdx.z + 1] - begin - first;
  float values[kGroup] = {};  // exact for every element type
  if (left > 0) load_group(x[blockIdx.y] + begin + first, left, x.is_aligned && begin % kGroup == 0, values);
  store_group(to + (int64_t{blockIdx.y} * gridDim.z + blockIdx.z) * in, first, in, true, values);
}

/// Block (x, y): piece x of row y. A thread makes a group of elements.
template <class Out, int kSegments>
__global__ void finish_rows_kernel(const float* sums, int64_t columns, Rows<const float> bias, Rows<Out> out,
                                   int64_t num_out) {
  const int64_t first = (int64_t{blockIdx.x} * blockDim.x + threadIdx.x) * kGroup;
  if (first >= num_out) return;
  float values[kSegments][kGroup];
#pragma unroll
  for (int s = 0; s < kSegments; ++s) {
    load_group(sums + (int64_t{s} * gridDim.y + blockIdx.y) * columns + first, kGroup, true, values[s]);
  }
#pragma unroll
  for (int width = 1; width < kSegments; width *= 2) {
#pragma unroll
    for (int s = 0; s + width < kSegments; s += 2 * width) {
#pragma unroll
      for (int k = 0; k < kGroup; ++k) values[s][k] = __fadd_rn(values[s][k], values[s + width][k]);
    }
  }
  if (bias.data != nullptr) {
    float added[kGroup];
    load_group(bias.data + first, num_out - first, bias.is_aligned, added);
#pragma unroll
    for (int k = 0; k < kGroup; ++k) values[0][k] = __fadd_rn(values[0][k], added[k]);
  }
  store_group(out[blockIdx.y], first, num_out, out.is_aligned, values[0]);
}

template <int kSegments>
void launch_finish(const OpContext& context, const float* sums, const LinearLayout& layout, Rows<const float> bias,
                   TensorView out) {
  const unsigned threads = threads_for(out.size(1), kMaxThreads);
  const dim3 grid(div_up(out.size(1), int64_t{threads} * kGroup), static_cast<unsigned>(out.size(0)));
  visit_floating(out.dtype(), [&]<class O>() {
    using Out = DeviceTypeOf<O>;
    launch(context, grid, dim3(threads), 0, finish_rows_kernel<Out, kSegments>, sums, layout.out, bias,
           rows_of<Out>(out), out.size(1));
  });
}

}  // namespace

void pad_rows(const OpContext& context, ConstTensorView x, const SegmentBounds& segments, const LinearLayout& layout,
              void* to) {
  Bounds bounds{};
  std::copy(segments.begin(), segments.end(), bounds.at);
  const unsigned threads = threads_for(layout.in, kMaxThreads);
  const dim3 grid(div_up(layout.in, int64_t{threads} * kGroup), static_cast<unsigned>(x.size(0)),
                  static_cast<unsigned>(layout.num_segments));
  visit_floating(x.dtype(), [&]<class X>() {
    using T = DeviceTypeOf<X>;
    launch(context, grid, dim3(threads), 0, pad_rows_kernel<T>, rows_of<const T>(x), bounds, static_cast<T*>(to),
           layout.in);
  });
}

void finish_rows(const OpContext& context, const float* sums, const LinearLayout& layout, const float* bias,
                 TensorView out) {
  const Rows<const float> added{bias, 0, reinterpret_cast<uintptr_t>(bias) % alignof(Group<float>) == 0};
  switch (layout.num_segments) {
    case 1: return launch_finish<1>(context, sums, layout, added, out);
    case 2: return launch_finish<2>(context, sums, layout, added, out);
    case 4: return launch_finish<4>(context, sums, layout, added, out);
    default: return launch_finish<kMaxSegments>(context, sums, layout, added, out);
  }
}

}  // namespace lockstep::cuda
