// One row of logits as sampling sees it, walked by the threads of one block, and what the block needs to add up and
// compare: sums of integers and greatest keys, the same in any order.
#pragma once

#include "kernels/sample_weights.h"

#include <bit>
#include <cstdint>
#include <cuda_runtime.h>
#include <limits>

namespace lockstep::cuda {

using Wide = unsigned long long;  // what atomics and shuffles take for uint64_t
inline constexpr unsigned kAllLanes = 0xffffffffU;

/// Orders tokens as sampling does: a higher key is a higher logit (-0 is 0) or, on equal ones, a lower token. 0 is
/// below every key.
__device__ inline uint64_t sample_key(float logit, int32_t token) {
  const auto bits = std::bit_cast<uint32_t>(logit == 0.0F ? 0.0F : logit);
  const uint32_t ascending = (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
  return uint64_t{ascending} * kMaxSampledVocabulary + static_cast<uint64_t>(kMaxSampledVocabulary - 1 - token);
}
__device__ inline int32_t token_of(uint64_t key) {
  return static_cast<int32_t>(kMaxSampledVocabulary - 1 - static_cast<int64_t>(key % kMaxSampledVocabulary));
}
__device__ inline float logit_of(uint64_t key) {
  const auto ascending = static_cast<uint32_t>(key / kMaxSampledVocabulary);
  return std::bit_cast<float>((ascending & 0x80000000U) != 0 ? ascending ^ 0x80000000U : ~ascending);
}

struct SampleRow {
  const float* logits;
  int32_t vocabulary;
  bool only_infinite;  // +inf is there: only such tokens can be drawn, all alike

  /// Calls visit(logit, token) for this thread's share of the tokens that can be drawn.
  template <int kThreads, class Visit>
  __device__ void each(const Visit& visit) const {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    constexpr int kAhead = 4;  // loads in flight: one block a row has no other way to hide their latency
    for (int32_t first = static_cast<int32_t>(threadIdx.x); first < vocabulary; first += kAhead * kThreads) {
      float values[kAhead];
#pragma unroll
      for (int k = 0; k < kAhead; ++k) {
        const int32_t token = first + k * kThreads;
        values[k] = token < vocabulary ? logits[token] : -kInfinity;
      }
#pragma unroll
      for (int k = 0; k < kAhead; ++k) {
        if (!(values[k] > -kInfinity) || (only_infinite && values[k] < kInfinity)) continue;  // NaN too
        visit(only_infinite ? 0.0F : values[k], first + k * kThreads);
      }
    }
  }
};

/// The sum or the greatest of the block's values, for every thread. `space`: one element a warp, in shared memory.
template <int kThreads, bool kSum>
__device__ inline uint64_t combine(Wide* space, uint64_t value) {
  const auto merge = [](Wide a, Wide b) { return kSum ? a + b : a > b ? a : b; };
  Wide merged = value;
#pragma unroll
  for (int mask = 16; mask > 0; mask /= 2) merged = merge(merged, __shfl_xor_sync(kAllLanes, merged, mask));
  __syncthreads();  // the last use of `space` is over
  if (threadIdx.x % 32 == 0) space[threadIdx.x / 32] = merged;
  __syncthreads();
  merged = space[0];
  for (int warp = 1; warp < kThreads / 32; ++warp) merged = merge(merged, space[warp]);
  return merged;
}

}  // namespace lockstep::cuda
