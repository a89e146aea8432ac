// Root-mean-square normalisation of rows, and of heads inside rows: one body, so that both give the same bits.
//
// T threads a row, where T follows from the row's length alone. Thread t adds up the squares of elements 4t … 4t+3,
// then those 4T further on, and so on; a butterfly adds the lanes of a warp, a second one the warps. A row's bits
// depend on the row and its length, whatever its address or stride. Memory: a row is read once and written once
// (residual: read and written once), as its first 16 T elements stay in registers (T reaches 1024: 16,384 elements);
// longer rows read the rest a second time, from L1 or L2.
#include "kernels/backends.h"
#include "kernels/cuda/address.cuh"
#include "kernels/cuda/launch.cuh"

#include <algorithm>
#include <bit>

namespace lockstep::cuda {
namespace {

static_assert(__cplusplus >= 202002L, "nvcc must be given -std=c++20");

constexpr int kMaxThreads = 1024, kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffffU;
constexpr int kKept = 4;  // groups that a thread keeps in registers

/// Heads of one warp each that share a block.
constexpr int64_t kHeadsOfBlock = 8;

/// A row is [blockIdx.x][head]; plain rows have one head.
struct Heads {
  int64_t count;
  int64_t size;  // elements, and distance of neighbours
};

__device__ float sum_of_warp(float x) {
#pragma unroll
  for (int step = kWarp / 2; step > 0; step /= 2) x = __fadd_rn(x, __shfl_xor_sync(kAllLanes, x, step));
  return x;
}

/// Every thread gets the sum over the threads of its row: a warp, or the whole block.
__device__ float sum_of_row(float x) {
  __shared__ float partial[kMaxThreads / kWarp];
  x = sum_of_warp(x);
  if (blockDim.x == kWarp) return x;
  const unsigned lane = threadIdx.x % kWarp;
  if (lane == 0) partial[threadIdx.x / kWarp] = x;
  __syncthreads();
  return sum_of_warp(lane < blockDim.x / kWarp ? partial[lane] : 0.0F);
}

__device__ float add_squares(float sum, const float (&x)[kGroup]) {
#pragma unroll
  for (int k = 0; k < kGroup; ++k) sum = __fmaf_rn(x[k], x[k], sum);
  return sum;
}

/// `delta.data` null: plain. Else in += delta first.
template <class Weight, class Out>
__global__ void __launch_bounds__(kMaxThreads)
    rms_norm_kernel(Rows<float> in, Rows<const float> delta, Rows<const Weight> weight, float eps, Rows<Out> out,
                    Heads heads) {
  const int64_t head = int64_t{blockIdx.y} * blockDim.y + threadIdx.y;
  if (head >= heads.count) return;  // a whole warp, of a block without barriers
  const int64_t hidden = heads.size, first = int64_t{threadIdx.x} * kGroup, step = int64_t{blockDim.x} * kGroup;
  float* const row = in[blockIdx.x] + head * hidden;
  const float* const added = delta.data != nullptr ? delta[blockIdx.x] + head * hidden : nullptr;

  float x[kKept][kGroup];
#pragma unroll
  for (int k = 0; k < kKept; ++k) {
    const int64_t i = first + k * step;
    if (i < hidden) load_group(row + i, hidden - i, in.is_aligned, x[k]);
  }
  if (added != nullptr) {
    float y[kKept][kGroup];
#pragma unroll
    for (int k = 0; k < kKept; ++k) {
      const int64_t i = first + k * step;
      if (i < hidden) load_group(added + i, hidden - i, delta.is_aligned, y[k]);
    }
#pragma unroll
    for (int k = 0; k < kKept; ++k) {
      const int64_t i = first + k * step;
      if (i >= hidden) continue;
#pragma unroll
      for (int j = 0; j < kGroup; ++j) x[k][j] = __fadd_rn(x[k][j], y[k][j]);
      store_group(row, i, hidden, in.is_aligned, x[k]);
    }
  }
  float sum = 0.0F;
#pragma unroll
  for (int k = 0; k < kKept; ++k) {
    if (first + k * step < hidden) sum = add_squares(sum, x[k]);
  }
  for (int64_t i = first + kKept * step; i < hidden; i += step) {
    float rest[kGroup];
    load_group(row + i, hidden - i, in.is_aligned, rest);
    if (added != nullptr) {
      float y[kGroup];
      load_group(added + i, hidden - i, delta.is_aligned, y);
#pragma unroll
      for (int j = 0; j < kGroup; ++j) rest[j] = __fadd_rn(rest[j], y[j]);
      store_group(row, i, hidden, in.is_aligned, rest);
    }
    sum = add_squares(sum, rest);
  }

  const float mean = __fdiv_rn(sum_of_row(sum), static_cast<float>(hidden));
  const float factor = __fdiv_rn(1.0F, __fsqrt_rn(__fadd_rn(mean, eps)));
  Out* const to = out[blockIdx.x] + head * hidden;
  const auto scale = [&](int64_t i, float(&values)[kGroup]) {
    float w[kGroup];
    load_group(weight.data + i, hidden - i, weight.is_aligned, w);
#pragma unroll
    for (int j = 0; j < kGroup; ++j) values[j] = __fmul_rn(__fmul_rn(values[j], factor), w[j]);
    store_group(to, i, hidden, out.is_aligned, values);
  };
#pragma unroll
  for (int k = 0; k < kKept; ++k) {
    if (first + k * step < hidden) scale(first + k * step, x[k]);
  }
  for (int64_t i = first + kKept * step; i < hidden; i += step) {
    float rest[kGroup];
    load_group(row + i, hidden - i, in.is_aligned, rest);
    scale(i, rest);
  }
}

/// A power of two, the fewest that keep a row in registers, at least a warp and at most a block.
unsigned threads_of_row(int64_t hidden) {
  const int64_t wanted = (hidden + kKept * kGroup - 1) / (kKept * kGroup);
  const uint64_t threads = std::bit_ceil(static_cast<uint64_t>(wanted));
  return static_cast<unsigned>(std::clamp<uint64_t>(threads, kWarp, kMaxThreads));
}

void run(const OpContext& context, int64_t num_rows, Rows<float> in, Rows<const float> delta, ConstTensorView weight,
         float eps, TensorView out, Heads heads) {
  const unsigned threads = threads_of_row(heads.size);
  const auto rows_of_block =
      static_cast<unsigned>(threads == kWarp ? std::min<int64_t>(heads.count, kHeadsOfBlock) : 1);
  const dim3 grid(static_cast<unsigned>(num_rows), div_up(heads.count, rows_of_block));
  const bool are_heads_aligned = heads.count == 1 || heads.size % kGroup == 0;
  in.is_aligned = in.is_aligned && are_heads_aligned;
  visit_floating(weight.dtype(), [&]<class W>() {
    visit_floating(out.dtype(), [&]<class O>() {
      using Weight = DeviceTypeOf<W>;
      using Out = DeviceTypeOf<O>;
      Rows<Out> to = rows_of<Out>(out);
      to.is_aligned = to.is_aligned && are_heads_aligned;
      launch(context, grid, dim3(threads, rows_of_block), 0, rms_norm_kernel<Weight, Out>, in, delta,
             rows_of<const Weight>(weight), eps, to, heads);
    });
  });
}

}  // namespace

void rms_norm(const OpContext& context, ConstTensorView in, ConstTensorView weight, float eps, TensorView out) {
  // Without a delta the kernel does not write its input.
  const Rows<float> rows = {const_cast<float*>(in.as<float>()), in.stride(0), are_rows_aligned(in, sizeof(float4))};
  run(context, in.size(0), rows, {}, weight, eps, out, {1, in.size(1)});
}

void add_rms_norm(const OpContext& context, TensorView residual, ConstTensorView delta, ConstTensorView weight,
                  float eps, TensorView out) {
  run(context, residual.size(0), rows_of<float>(residual), rows_of<const float>(delta), weight, eps, out,
      {1, residual.size(1)});
}

void head_norm(const OpContext& context, TensorView x, ConstTensorView weight, float eps) {
  run(context, x.size(0), rows_of<float>(x), {}, weight, eps, x, {x.size(1), x.size(2)});
}

}  // namespace lockstep::cuda
