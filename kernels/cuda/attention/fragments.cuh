// Pieces of the products that prefill and decode share: queries, keys and values as mma operands (layouts in ptx.cuh).
#pragma once

#include "kernels/cuda/attention/block_pipeline.cuh"

#include <cstring>

namespace lockstep::cuda {

__device__ inline int warp_of_thread() { return static_cast<int>(threadIdx.x) / kWarpLanes; }
__device__ inline int lane_of_thread() { return static_cast<int>(threadIdx.x) % kWarpLanes; }

template <class T>
struct MmaTag;
template <>
struct MmaTag<__nv_bfloat16> {
  using type = Bf16Tag;
  static constexpr uint32_t kOnes = 0x3f803f80U;
};
template <>
struct MmaTag<__half> {
  using type = F16Tag;
  static constexpr uint32_t kOnes = 0x3c003c00U;
};

template <class T>
__device__ inline void multiply_add(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  const uint32_t b[2] = {b0, b1};
  mma_m16n8k16(d, a, b, typename MmaTag<T>::type{});
}

/// Two values rounded to T, the first in the lower half.
__device__ inline uint32_t pack(float low, float high, Bf16Tag) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  uint32_t word;
  memcpy(&word, &pair, sizeof word);
  return word;
}
__device__ inline uint32_t pack(float low, float high, F16Tag) {
  const __half2 pair = __floats2half2_rn(low, high);
  uint32_t word;
  memcpy(&word, &pair, sizeof word);
  return word;
}
template <class T>
__device__ inline uint32_t pack(float low, float high) {
  return pack(low, high, typename MmaTag<T>::type{});
}

/// The A operand of dimensions [16 step, 16 step + 16) of the queries that start at the two addresses, rounded to T.
template <class T>
__device__ inline void load_queries(uint32_t (&a)[4], const float* upper, const float* lower, int step) {
  const int at = step * 16 + lane_of_thread() % 4 * 2;
  a[0] = pack<T>(upper[at], upper[at + 1]);
  a[1] = pack<T>(lower[at], lower[at + 1]);
  a[2] = pack<T>(upper[at + 8], upper[at + 9]);
  a[3] = pack<T>(lower[at + 8], lower[at + 9]);
}

/// Address of the lane's first key word: tile 4 `half`, dimensions 16 `step` (its b0; b1 lies four pairs on).
__device__ inline const uint32_t* key_words(const std::byte* stage, int half, int step) {
  const int lane = lane_of_thread(), pair = lane % 4;
  return reinterpret_cast<const uint32_t*>(stage) + (step * 8 + pair) * kBlockTokens + half * 32 +
         k_group_place(lane / 4, pair) * 4;
}
inline constexpr int kFourPairs = 4 * kBlockTokens;

/// Maximum over the four lanes that share a row.
__device__ inline float row_maximum(float value) {
  value = fmaxf(value, __shfl_xor_sync(0xffffffffU, value, 1));
  return fmaxf(value, __shfl_xor_sync(0xffffffffU, value, 2));
}

/// t of column `column` in n-tile `tile`: scaled, and hidden outside [first, last] counted from the block's start.
__device__ inline float hide(float score, int tile, int column, int first, int last) {
  const int token = slot_token(tile, column);
  return token >= first && token <= last ? score : kHidden;
}

}  // namespace lockstep::cuda
