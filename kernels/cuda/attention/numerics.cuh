// The arithmetic of tensor-core attention, one contract for every arrangement of the work (D0). For one query row:
//
//  - Keys lie in blocks of 64 positions and spans of 512, both counted from position 0. A span starts from nothing;
//    spans are folded in ascending order (fold). Blocks and spans that a row does not see change none of its bits.
//  - Within a block, column c of n-tile j stands for token slot_token(j, c): then a lane finds its keys of four tiles
//    in one load of 16 bytes. The products with V add up in this order too, 16 slots an instruction.
//  - S = Q K by mma from 0, dimensions ascending; t = S · scale rounded; hidden keys get -inf; m' = max(m, t);
//    O, l are multiplied by exp2(m - m'); p = exp2(t - m') rounded to the pages' type; O += p V, l += p 1 by mma.
//  - The result is O · (1 / l) + 0: a sum of nothing may be -0 in one arrangement and +0 in another until here.
//
// An mma's result depends on its own row and column alone, so rows that a tile lacks do no harm. Source: Dao 2023
// (FlashAttention-2), Milakov & Gimelshein 2018; the spans are ours.
#pragma once

#include "kernels/cuda/ptx.cuh"
#include "kernels/paged_attention.h"

#include <cstdint>
#include <cuda_runtime.h>

namespace lockstep::cuda {

inline constexpr int kWarpLanes = 32;
inline constexpr int kAttentionThreads = 128;  // four warps, in all tensor-core kernels
inline constexpr int kBlockTokens = 64;
inline constexpr int kSpanBlocks = static_cast<int>(kAttentionSpanTokens) / kBlockTokens;
inline constexpr int kSpanTokens = kBlockTokens * kSpanBlocks;
inline constexpr float kHidden = -__builtin_huge_valf();

__device__ inline constexpr int slot_token(int tile, int column) { return tile / 4 * 32 + column * 4 + tile % 4; }
/// Its inverse: tile * 8 + column.
__device__ inline constexpr int token_slot(int token) { return (token / 32 * 4 + token % 4) * 8 + token % 32 / 4; }

struct SoftmaxStep {
  float reference;  // what exponents are taken against
  float rescale;    // of the sums so far
};

/// Raises the running maximum `highest`. While a row has seen no key, exponents are taken against 0, not -inf.
__device__ inline SoftmaxStep raise_maximum(float& highest, float of_block) {
  const float raised = fmaxf(highest, of_block);
  const float reference = raised == kHidden ? 0.0F : raised;
  const float rescale = exp2_approx(__fsub_rn(highest, reference));
  highest = raised;
  return {reference, rescale};
}

__device__ inline float weight_of(float score, float reference) { return exp2_approx(__fsub_rn(score, reference)); }

struct FoldFactors {
  float total, span;
};

/// Merges a span's maximum into the total's. A span without keys gets factors 1 and 0.
__device__ inline FoldFactors fold_maximum(float& total, float span) {
  const float raised = fmaxf(total, span);
  const float reference = raised == kHidden ? 0.0F : raised;
  const FoldFactors factors = {exp2_approx(__fsub_rn(total, reference)), exp2_approx(__fsub_rn(span, reference))};
  total = raised;
  return factors;
}

__device__ inline float fold(float total, float span, FoldFactors by) {
  return __fmaf_rn(total, by.total, __fmul_rn(span, by.span));
}

/// `sum` of weights 0: the row has no keys.
__device__ inline float inverse_of(float sum) { return sum > 0.0F ? __frcp_rn(sum) : 0.0F; }
__device__ inline float finish(float value, float inverse) { return __fadd_rn(__fmul_rn(value, inverse), 0.0F); }

}  // namespace lockstep::cuda
