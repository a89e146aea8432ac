// What one warp of prefill does with its 16 queries: scores of a block, a block added to the running sums, spans
// folded.
#pragma once

#include "kernels/cuda/attention/fragments.cuh"

namespace lockstep::cuda {

inline constexpr int kScoreTiles = kBlockTokens / 8;

/// Queries as A operands: in registers, or, where those do not suffice, in shared memory (each thread its own).
template <class T, int kDim>
class QueryOperands {
 public:
  static constexpr bool kAreShared = kDim > 128;
  static constexpr int kSteps = kDim / 16;
  static constexpr int kSharedBytes = kAreShared ? kSteps * kAttentionThreads * 16 : 0;

  __device__ QueryOperands(const float* upper, const float* lower, std::byte* shared)
      : shared_(reinterpret_cast<uint4*>(shared) + threadIdx.x) {
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      if constexpr (kAreShared) {
        uint32_t a[4];
        load_queries<T>(a, upper, lower, step);
        shared_[step * kAttentionThreads] = make_uint4(a[0], a[1], a[2], a[3]);
      } else {
        load_queries<T>(registers_[step], upper, lower, step);
      }
    }
  }
  __device__ void get(uint32_t (&a)[4], int step) const {
    if constexpr (kAreShared) {
      const uint4 all = shared_[step * kAttentionThreads];
      a[0] = all.x, a[1] = all.y, a[2] = all.z, a[3] = all.w;
    } else {
#pragma unroll
      for (int i = 0; i < 4; ++i) a[i] = registers_[step][i];
    }
  }

 private:
  uint4* shared_;
  uint32_t registers_[kAreShared ? 1 : kSteps][4];
};

/// The running sums of a warp's 16 queries: a thread holds two rows' maxima and its part of O and l.
template <int kDim>
struct WarpState {
  float highest[2] = {kHidden, kHidden};
  float sum[4] = {};  // l of row 0 in [0], of row 1 in [2]
  float o[kDim / 8][4] = {};
};

/// t of all 64 keys.
template <class T, int kDim>
__device__ __forceinline__ void compute_scores(float (&s)[kScoreTiles][4], const QueryOperands<T, kDim>& queries,
                                               const std::byte* stage, float scale) {
#pragma unroll
  for (auto& tile : s) tile[0] = tile[1] = tile[2] = tile[3] = 0.0F;
#pragma unroll(kDim > 128 ? 1 : kDim / 16)
  for (int step = 0; step < kDim / 16; ++step) {
    uint32_t a[4];
    queries.get(a, step);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const uint32_t* const words = key_words(stage, half, step);
      const uint4 low = *reinterpret_cast<const uint4*>(words);
      const uint4 high = *reinterpret_cast<const uint4*>(words + kFourPairs);
      multiply_add<T>(s[half * 4], a, low.x, high.x);
      multiply_add<T>(s[half * 4 + 1], a, low.y, high.y);
      multiply_add<T>(s[half * 4 + 2], a, low.z, high.z);
      multiply_add<T>(s[half * 4 + 3], a, low.w, high.w);
    }
  }
#pragma unroll
  for (auto& tile : s) {
#pragma unroll
    for (float& score : tile) score = __fmul_rn(score, scale);
  }
}

/// Adds a block whose t are `s`.
template <class T, int kDim>
__device__ __forceinline__ void add_block(WarpState<kDim>& state, float (&s)[kScoreTiles][4], const std::byte* values) {
  float reference[2];
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    float highest = kHidden;
#pragma unroll
    for (const auto& tile : s) highest = fmaxf(highest, fmaxf(tile[2 * r], tile[2 * r + 1]));
    const SoftmaxStep step = raise_maximum(state.highest[r], row_maximum(highest));
    reference[r] = step.reference;
    state.sum[2 * r] = __fmul_rn(state.sum[2 * r], step.rescale);
#pragma unroll
    for (auto& tile : state.o) {
      tile[2 * r] = __fmul_rn(tile[2 * r], step.rescale);
      tile[2 * r + 1] = __fmul_rn(tile[2 * r + 1], step.rescale);
    }
  }
  const int lane = lane_of_thread();
  const std::byte* const rows = values + (lane / 8 % 2 * 8 + lane % 8) * StageLayout<kDim>::kVPitch + lane / 16 * 16;
#pragma unroll
  for (int step = 0; step < kBlockTokens / 16; ++step) {
    uint32_t p[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float* const pair = &s[2 * step + i / 2][i % 2 * 2];
      p[i] = pack<T>(weight_of(pair[0], reference[i % 2]), weight_of(pair[1], reference[i % 2]));
    }
    multiply_add<T>(state.sum, p, MmaTag<T>::kOnes, MmaTag<T>::kOnes);
#pragma unroll
    for (int n = 0; n < kDim / 16; ++n) {
      uint32_t v[4];
      ldmatrix_x4_trans(v, rows + step * 16 * StageLayout<kDim>::kVPitch + n * 32);
      multiply_add<T>(state.o[2 * n], p, v[0], v[1]);
      multiply_add<T>(state.o[2 * n + 1], p, v[2], v[3]);
    }
  }
}

/// The sum of the spans behind: maxima and l in registers, O in memory of the CTA, each thread's parts its own.
template <int kDim>
class SpanTotal {
 public:
  static constexpr int kBytes = kDim / 8 * kAttentionThreads * 16;
  __device__ explicit SpanTotal(void* memory) : o_(static_cast<float4*>(memory) + threadIdx.x) {}

  /// state = fold(total, state).
  __device__ void fold_into(WarpState<kDim>& state) const {
    FoldFactors by[2];
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      float highest = highest_[r];
      by[r] = fold_maximum(highest, state.highest[r]);
      state.highest[r] = highest;
      state.sum[2 * r] = fold(sum_[r], state.sum[2 * r], by[r]);
    }
#pragma unroll
    for (int n = 0; n < kDim / 8; ++n) {
      const float4 total = o_[n * kAttentionThreads];
      state.o[n][0] = fold(total.x, state.o[n][0], by[0]);
      state.o[n][1] = fold(total.y, state.o[n][1], by[0]);
      state.o[n][2] = fold(total.z, state.o[n][2], by[1]);
      state.o[n][3] = fold(total.w, state.o[n][3], by[1]);
    }
  }
  __device__ void set(const WarpState<kDim>& state) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      highest_[r] = state.highest[r];
      sum_[r] = state.sum[2 * r];
    }
#pragma unroll
    for (int n = 0; n < kDim / 8; ++n) {
      o_[n * kAttentionThreads] = make_float4(state.o[n][0], state.o[n][1], state.o[n][2], state.o[n][3]);
    }
  }

 private:
  float4* o_;
  float highest_[2] = {}, sum_[2] = {};
};

}  // namespace lockstep::cuda
