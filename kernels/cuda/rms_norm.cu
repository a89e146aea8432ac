// One block a row; each thread sums a fixed stride of the row, the block adds in a fixed tree: the bits of a row depend
// on the row and its length alone. Reads the row twice (the second time from L2 or L1), writes it once.
#include "core/cuda/check.h"
#include "kernels/backends.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

namespace lockstep::cuda {
namespace {

static_assert(__cplusplus >= 202002L, "nvcc must be given -std=c++20");

constexpr int kThreads = 256;

template <class T>
struct DeviceType;
template <>
struct DeviceType<float> {
  using type = float;
};
template <>
struct DeviceType<Half> {
  using type = __half;
};
template <>
struct DeviceType<BFloat16> {
  using type = __nv_bfloat16;
};

__device__ float widen(float x) { return x; }
__device__ float widen(__half x) { return __half2float(x); }
__device__ float widen(__nv_bfloat16 x) { return __bfloat162float(x); }
__device__ void narrow(float x, float& out) { out = x; }
__device__ void narrow(float x, __half& out) { out = __float2half_rn(x); }
__device__ void narrow(float x, __nv_bfloat16& out) { out = __float2bfloat16_rn(x); }

/// `delta` null: plain. Else in += delta first.
template <class Weight, class Out>
__global__ void rms_norm_kernel(float* in, int64_t in_stride, const float* delta, int64_t delta_stride,
                                const Weight* weight, float eps, Out* out, int64_t out_stride, int64_t hidden) {
  __shared__ float partial[kThreads];
  float* row = in + blockIdx.x * in_stride;
  float sum = 0.0F;
  for (int64_t i = threadIdx.x; i < hidden; i += kThreads) {
    float x = row[i];
    if (delta != nullptr) {
      x += delta[blockIdx.x * delta_stride + i];
      row[i] = x;
    }
    sum = fmaf(x, x, sum);
  }
  partial[threadIdx.x] = sum;
  __syncthreads();
  for (int step = kThreads / 2; step > 0; step /= 2) {
    if (threadIdx.x < step) partial[threadIdx.x] += partial[threadIdx.x + step];
    __syncthreads();
  }
  const float factor = __frcp_rn(__fsqrt_rn(partial[0] / static_cast<float>(hidden) + eps));
  Out* target = out + blockIdx.x * out_stride;
  for (int64_t i = threadIdx.x; i < hidden; i += kThreads) narrow(row[i] * factor * widen(weight[i]), target[i]);
}

void launch(const OpContext& context, float* in, int64_t in_stride, const float* delta, int64_t delta_stride,
            ConstTensorView weight, float eps, TensorView out) {
  const int64_t rows = out.size(0);
  if (rows == 0) return;
  visit_floating(weight.dtype(), [&]<class W>() {
    visit_floating(out.dtype(), [&]<class O>() {
      rms_norm_kernel<<<static_cast<unsigned>(rows), kThreads, 0,
                        static_cast<cudaStream_t>(context.stream->native())>>>(
          in, in_stride, delta, delta_stride, static_cast<const typename DeviceType<W>::type*>(weight.data()), eps,
          static_cast<typename DeviceType<O>::type*>(out.data()), out.stride(0), out.size(1));
    });
  });
  LS_CUDA(cudaGetLastError());
}

}  // namespace

void rms_norm(const OpContext& context, ConstTensorView in, ConstTensorView weight, float eps, TensorView out) {
  // Without a delta the kernel does not write its input.
  launch(context, const_cast<float*>(in.as<float>()), in.stride(0), nullptr, 0, weight, eps, out);
}

void add_rms_norm(const OpContext& context, TensorView residual, ConstTensorView delta, ConstTensorView weight,
                  float eps, TensorView out) {
  launch(context, residual.as<float>(), residual.stride(0), delta.as<float>(), delta.stride(0), weight, eps, out);
}

}  // namespace lockstep::cuda
