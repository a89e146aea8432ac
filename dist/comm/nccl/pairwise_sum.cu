#include "dist/comm/nccl/pairwise_sum.h"
#include "dist/comm/nccl/pairwise_tree.cuh"
#include "kernels/cuda/launch.cuh"

#include <cstdint>

namespace lockstep::cuda {
namespace {

constexpr int kThreads = 256;

// One thread an element of Value (float4 where all addresses allow it; each float has the same chain of additions in
// either form). Bytes moved: size + 1 arrays. N = 0: the number of parts is `parts.size`.
template <class Value, int N>
__global__ void sum_kernel(SumParts parts, int64_t count, Value* out) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= count) return;
  const auto term = [&](int r) {
    const float* const part = r == parts.own_index ? parts.own : parts.parts + r * parts.stride;
    return reinterpret_cast<const Value*>(part)[i];
  };
  if constexpr (N > 0) {
    out[i] = pairwise_tree<0, N>(term);
  } else {
    out[i] = pairwise_tree<Value>(parts.size, term);
  }
}

template <class Value>
void enqueue(const OpContext& context, const SumParts& parts, int64_t count, Value* out) {
  const auto go = [&](auto kernel) {
    launch(context, dim3(div_up(count, kThreads)), dim3(kThreads), 0, kernel, parts, count, out);
  };
  switch (parts.size) {
    case 2: return go(sum_kernel<Value, 2>);
    case 3: return go(sum_kernel<Value, 3>);
    case 4: return go(sum_kernel<Value, 4>);
    case 8: return go(sum_kernel<Value, 8>);
    default: return go(sum_kernel<Value, 0>);
  }
}

bool is_aligned(const float* data) { return reinterpret_cast<uintptr_t>(data) % sizeof(float4) == 0; }

}  // namespace

void add_parts(const OpContext& context, const SumParts& parts, int64_t count, float* out) {
  constexpr int kLanes = 4;
  const bool fits = count % kLanes == 0 && parts.stride % kLanes == 0 && is_aligned(parts.parts) && is_aligned(out) &&
                    (parts.own_index < 0 || is_aligned(parts.own));
  if (fits) return enqueue(context, parts, count / kLanes, reinterpret_cast<float4*>(out));
  enqueue(context, parts, count, out);
}

}  // namespace lockstep::cuda
