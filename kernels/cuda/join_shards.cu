// Copies rows of shards into whole rows: 4 bytes read and written an element, neighbours by neighbouring threads.
#include "kernels/backends.h"
#include "kernels/cuda/launch.cuh"

#include <algorithm>

namespace lockstep::cuda {
namespace {

constexpr int64_t kShardsOfLaunch = 64;  // bounds travel as an argument of the kernel
constexpr int64_t kThreads = 256, kElementsOfThread = 4;
constexpr int64_t kMaxRowBlocks = 65535;

struct Bounds {
  int64_t at[kShardsOfLaunch + 1];
};

/// Block (x, y, z): piece x of row y (and y + gridDim.y, …) of shard z.
__global__ void join_shards_kernel(const float* shards, int64_t num_rows, int64_t width, Bounds bounds, float* out,
                                   int64_t vocabulary) {
  const int64_t begin = bounds.at[blockIdx.z], count = bounds.at[blockIdx.z + 1] - begin;
  const int64_t first = int64_t{blockIdx.x} * kThreads * kElementsOfThread + threadIdx.x;
  for (int64_t row = blockIdx.y; row < num_rows; row += gridDim.y) {
    const float* const from = shards + (blockIdx.z * num_rows + row) * width;
    float* const to = out + row * vocabulary + begin;
#pragma unroll
    for (int64_t k = 0; k < kElementsOfThread; ++k) {
      const int64_t i = first + k * kThreads;
      if (i < count) to[i] = from[i];
    }
  }
}

}  // namespace

void join_shards(const OpContext& context, ConstTensorView shards, std::span<const int64_t> bounds, TensorView out) {
  const int64_t num_shards = shards.size(0), num_rows = shards.size(1), width = shards.size(2);
  for (int64_t begin = 0; begin < num_shards; begin += kShardsOfLaunch) {
    const int64_t count = std::min(kShardsOfLaunch, num_shards - begin);
    Bounds some{};
    std::copy_n(bounds.begin() + begin, count + 1, some.at);
    const dim3 grid(div_up(width, kThreads * kElementsOfThread),
                    static_cast<unsigned>(std::min(num_rows, kMaxRowBlocks)), static_cast<unsigned>(count));
    launch(context, grid, dim3(kThreads), 0, join_shards_kernel, shards.as<float>() + begin * num_rows * width,
           num_rows, width, some, out.as<float>(), out.size(1));
  }
}

}  // namespace lockstep::cuda
