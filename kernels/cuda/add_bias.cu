// A vector added to every row. Memory: the matrix read and written once; the vector comes from L2.
#include "kernels/backends.h"
#include "kernels/cuda/address.cuh"
#include "kernels/cuda/launch.cuh"

namespace lockstep::cuda {
namespace {

constexpr int64_t kMaxThreads = 256;

/// One block a row.
__global__ void add_bias_kernel(Rows<float> x, Rows<const float> bias, int64_t columns) {
  float* const row = x[blockIdx.x];
  for (int64_t i = int64_t{threadIdx.x} * kGroup; i < columns; i += int64_t{blockDim.x} * kGroup) {
    float values[kGroup], added[kGroup];
    load_group(row + i, columns - i, x.is_aligned, values);
    load_group(bias.data + i, columns - i, bias.is_aligned, added);
#pragma unroll
    for (int k = 0; k < kGroup; ++k) values[k] = __fadd_rn(values[k], added[k]);
    store_group(row, i, columns, x.is_aligned, values);
  }
}

}  // namespace

void add_bias(const OpContext& context, TensorView x, ConstTensorView bias) {
  launch(context, dim3(static_cast<unsigned>(x.size(0))), dim3(threads_for(x.size(1), kMaxThreads)), 0, add_bias_kernel,
         rows_of<float>(x), rows_of<const float>(bias), x.size(1));
}

}  // namespace lockstep::cuda
