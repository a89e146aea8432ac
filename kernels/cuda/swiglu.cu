// silu(gate) · up, an element by itself. Memory: 8 bytes read and 2 or 4 written an element; the exponential is 13
// multiply-adds, a tenth of what the arithmetic units do in the time of the traffic.
#include "kernels/backends.h"
#include "kernels/cuda/address.cuh"
#include "kernels/cuda/launch.cuh"

namespace lockstep::cuda {
namespace {

constexpr int64_t kMaxThreads = 256;
constexpr int64_t kGroupsOfThread = 2;  // loads in flight

__device__ float power_of_two(int32_t n) { return __int_as_float((n + 127) << 23); }

/// e^x to about 1 ulp, exactly 0 below -105 and infinity above 90; NaN stays NaN. The steps are those of the CPU's
/// (kernels/cpu/vector/parts.h): x = n ln 2 + r, |r| ≤ ln 2 / 2, and Taylor's polynomial of degree 7 for e^r.
__device__ float exponential(float x) {
  x = x > 90.0F ? 90.0F : x;  // comparisons with NaN keep it
  x = x < -105.0F ? -105.0F : x;
  constexpr float kMagic =
      12582912.0F;  // 1.5 · 2^23: adding it rounds to an integer, which then stands in the low bits
  const float shifted = __fmaf_rn(x, 1.44269504088896341F, kMagic);
  const float n = __fsub_rn(shifted, kMagic);
  float r = __fmaf_rn(n, -0.693359375F, x);
  r = __fmaf_rn(n, 2.12194440e-4F, r);
  float y = 1.0F / 5040.0F;
  y = __fmaf_rn(y, r, 1.0F / 720.0F);
  y = __fmaf_rn(y, r, 1.0F / 120.0F);
  y = __fmaf_rn(y, r, 1.0F / 24.0F);
  y = __fmaf_rn(y, r, 1.0F / 6.0F);
  y = __fmaf_rn(y, r, 0.5F);
  y = __fmaf_rn(y, r, 1.0F);
  y = __fmaf_rn(y, r, 1.0F);
  // 2^n in two steps: alone it may lie outside the range of floats. A NaN's n is any number: y is NaN already.
  const int32_t power = x == x ? __float_as_int(shifted) - __float_as_int(kMagic) : 0, half = power >> 1;
  return __fmul_rn(__fmul_rn(y, power_of_two(half)), power_of_two(power - half));
}

__device__ float silu(float x) { return __fdiv_rn(x, __fadd_rn(1.0F, exponential(__fsub_rn(0.0F, x)))); }

/// Block (x, y): piece y of row x.
template <class Out>
__global__ void swiglu_kernel(Rows<const float> gate_up, bool is_up_aligned, Rows<Out> out, int64_t ffn) {
  const int64_t step = int64_t{blockDim.x} * kGroup;
  const int64_t first = int64_t{blockIdx.y} * kGroupsOfThread * step + int64_t{threadIdx.x} * kGroup;
  const float* const gate = gate_up[blockIdx.x];
  const float* const up = gate + ffn;
  float g[kGroupsOfThread][kGroup], u[kGroupsOfThread][kGroup];
#pragma unroll
  for (int k = 0; k < kGroupsOfThread; ++k) {
    const int64_t i = first + k * step;
    if (i >= ffn) continue;
    load_group(gate + i, ffn - i, gate_up.is_aligned, g[k]);
    load_group(up + i, ffn - i, is_up_aligned, u[k]);
  }
#pragma unroll
  for (int k = 0; k < kGroupsOfThread; ++k) {
    const int64_t i = first + k * step;
    if (i >= ffn) continue;
#pragma unroll
    for (int j = 0; j < kGroup; ++j) g[k][j] = __fmul_rn(silu(g[k][j]), u[k][j]);
    store_group(out[blockIdx.x], i, ffn, out.is_aligned, g[k]);
  }
}

}  // namespace

void swiglu(const OpContext& context, ConstTensorView gate_up, TensorView out) {
  const int64_t ffn = out.size(1);
  const unsigned threads = threads_for((ffn + kGroupsOfThread - 1) / kGroupsOfThread, kMaxThreads);
  const Rows<const float> in = rows_of<const float>(gate_up);
  const dim3 grid(static_cast<unsigned>(out.size(0)), div_up(ffn, kGroupsOfThread * kGroup * int64_t{threads}));
  visit_floating(out.dtype(), [&]<class O>() {
    using Out = DeviceTypeOf<O>;
    launch(context, grid, dim3(threads), 0, swiglu_kernel<Out>, in, in.is_aligned && ffn % kGroup == 0,
           rows_of<Out>(out), ffn);
  });
}

}  // namespace lockstep::cuda
