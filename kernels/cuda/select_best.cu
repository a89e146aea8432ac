// One thread a row: a few numbers of each.
#include "kernels/backends.h"
#include "kernels/cuda/launch.cuh"

#include <limits>

namespace lockstep::cuda {
namespace {

__global__ void select_best_kernel(const ArgmaxResult* shards, int64_t num_shards, int64_t num_rows, int32_t* tokens) {
  const int64_t row = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (row >= num_rows) return;
  // What better_of() does for results of which only a finite one counts: starting from none.
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  float best = -kInfinity;
  int32_t token = -1;
  for (int64_t shard = 0; shard < num_shards; ++shard) {
    const ArgmaxResult other = shards[shard * num_rows + row];
    if (!(other.value > -kInfinity)) continue;  // NaN too
    if (other.value < best || (other.value == best && other.token.value() > token)) continue;
    best = other.value;
    token = other.token.value();
  }
  tokens[row] = best < kInfinity ? token : -1;
}

}  // namespace

void select_best(const OpContext& context, std::span<const ArgmaxResult> shards, TensorView tokens) {
  constexpr int64_t kThreads = 128;
  const int64_t num_rows = tokens.size(0);
  if (num_rows == 0) return;
  launch(context, dim3(div_up(num_rows, kThreads)), dim3(kThreads), 0, select_best_kernel, shards.data(),
         static_cast<int64_t>(shards.size()) / num_rows, num_rows, tokens.as<int32_t>());
}

}  // namespace lockstep::cuda
