// One block a row. The settings of the rows are read where they lie, so a step of greedy and sampled rows is one launch
// that can be recorded.
#include "kernels/backends.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/sample/sampler.cuh"

namespace lockstep::cuda {
namespace {

template <int kThreads>
__global__ void __launch_bounds__(kThreads) sample_rows_kernel(const float* logits, int64_t stride, int32_t vocabulary,
                                                               const RowSampling* rows, int32_t* tokens) {
  __shared__ SampleSpace space;
  const SampleRow row{logits + blockIdx.x * stride, vocabulary, false};
  const int32_t token = RowSampler<kThreads>(row, rows[blockIdx.x], space).sample();
  if (threadIdx.x == 0) tokens[blockIdx.x] = token;
}

}  // namespace

void sample_rows(const OpContext& context, ConstTensorView logits, const RowSampling* rows, TensorView tokens) {
  constexpr int64_t kSmall = 8192;  // columns that do not keep 1024 threads busy
  const auto vocabulary = static_cast<int32_t>(logits.size(1));
  const auto run = [&]<int kThreads>(void (*kernel)(const float*, int64_t, int32_t, const RowSampling*, int32_t*)) {
    launch(context, dim3(static_cast<unsigned>(logits.size(0))), dim3(kThreads), 0, kernel, logits.as<float>(),
           logits.stride(0), vocabulary, rows, tokens.as<int32_t>());
  };
  if (vocabulary <= kSmall) {
    run.template operator()<256>(sample_rows_kernel<256>);
  } else {
    run.template operator()<1024>(sample_rows_kernel<1024>);
  }
}

}  // namespace lockstep::cuda
