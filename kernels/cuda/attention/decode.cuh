// Attention of single tokens on tensor cores: a CTA takes one row and KV head, with up to 16 of its query heads, and
// walks one span of keys (split) or all of them; the results of split spans are folded by a second kernel. Its four
// warps share a block: scores by keys, values by dimensions, the weights between them through shared memory.
//
// Sealed pages take the same way from shared memory on; a list of pages (PageSelection) is a shorter walk.
//
// Memory: keys and values once for each 16 query heads of a KV head, three blocks on their way at a time; split adds
// 8 + 4 · head_dim bytes a query head and span of 512, written and read. FLOPs: 4 · head_dim a query head and key, that
// is (query heads / KV heads) FLOP a byte: bound by memory.
#pragma once

#include "kernels/cuda/attention/fold.h"
#include "kernels/cuda/attention/fragments.cuh"
#include "kernels/cuda/attention/launch.h"
#include "kernels/cuda/attention/sealed_pipeline.cuh"
#include "kernels/cuda/attention/shared_limit.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/state.h"

namespace lockstep::cuda {
namespace {

constexpr int kTileHeads = 16;
constexpr int kWarps = kAttentionThreads / kWarpLanes;
constexpr int kWarpScoreTiles = kBlockTokens / 8 / kWarps;

/// What the warps exchange: maxima of their keys, and weights [query head][slot], padded against bank conflicts.
struct Exchange {
  static constexpr int kPitch = (kBlockTokens + 8) * 2;
  float highest[kWarps][kTileHeads];
  alignas(16) std::byte weights[kTileHeads * kPitch];
};

/// A thread's part: maxima and l of two query heads, O of them for the warp's dimensions.
template <int kDim>
struct DecodeState {
  static constexpr int kTiles = kDim / 8 / kWarps;
  float highest[2] = {kHidden, kHidden};
  float sum[4] = {};  // l of query head 0 in [0], of query head 1 in [2]
  float o[kTiles][4] = {};

  /// *this = fold(total, *this).
  __device__ void fold_behind(const DecodeState& total) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      float all = total.highest[r];
      const FoldFactors by = fold_maximum(all, highest[r]);
      highest[r] = all;
      sum[2 * r] = fold(total.sum[2 * r], sum[2 * r], by);
#pragma unroll
      for (int n = 0; n < kTiles; ++n) {
        o[n][2 * r] = fold(total.o[n][2 * r], o[n][2 * r], by);
        o[n][2 * r + 1] = fold(total.o[n][2 * r + 1], o[n][2 * r + 1], by);
      }
    }
  }
};

/// t of the warp's 16 slots; keys outside [first, last], counted from the block's start, are hidden.
template <class T, int kDim>
__device__ __forceinline__ void compute_scores(float (&s)[kWarpScoreTiles][4], const uint32_t (&queries)[kDim / 16][4],
                                               const std::byte* stage, float scale, int first, int last) {
  const int warp = warp_of_thread(), column = lane_of_thread() % 4 * 2;
#pragma unroll
  for (auto& tile : s) tile[0] = tile[1] = tile[2] = tile[3] = 0.0F;
#pragma unroll
  for (int step = 0; step < kDim / 16; ++step) {
    const uint32_t* const words = key_words(stage, warp / 2, step) + warp % 2 * 2;
    const uint2 low = *reinterpret_cast<const uint2*>(words);
    const uint2 high = *reinterpret_cast<const uint2*>(words + kFourPairs);
    multiply_add<T>(s[0], queries[step], low.x, high.x);
    multiply_add<T>(s[1], queries[step], low.y, high.y);
  }
#pragma unroll
  for (int i = 0; i < kWarpScoreTiles; ++i) {
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      s[i][e] = hide(__fmul_rn(s[i][e], scale), warp * kWarpScoreTiles + i, column + e % 2, first, last);
    }
  }
}

/// Adds a block whose t are spread over the warps as `s`.
template <class T, int kDim>
__device__ __forceinline__ void add_block(DecodeState<kDim>& state, const float (&s)[kWarpScoreTiles][4],
                                          const std::byte* values, Exchange& exchange) {
  const int warp = warp_of_thread(), lane = lane_of_thread();
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const float mine = row_maximum(fmaxf(fmaxf(s[0][2 * r], s[0][2 * r + 1]), fmaxf(s[1][2 * r], s[1][2 * r + 1])));
    if (lane % 4 == 0) exchange.highest[warp][lane / 4 + 8 * r] = mine;
  }
  __syncthreads();
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    float highest = kHidden;
#pragma unroll
    for (const auto& of_warp : exchange.highest) highest = fmaxf(highest, of_warp[lane / 4 + 8 * r]);
    const SoftmaxStep step = raise_maximum(state.highest[r], highest);
    state.sum[2 * r] = __fmul_rn(state.sum[2 * r], step.rescale);
#pragma unroll
    for (auto& tile : state.o) {
      tile[2 * r] = __fmul_rn(tile[2 * r], step.rescale);
      tile[2 * r + 1] = __fmul_rn(tile[2 * r + 1], step.rescale);
    }
    std::byte* const row = exchange.weights + (lane / 4 + 8 * r) * Exchange::kPitch + lane % 4 * 4;
#pragma unroll
    for (int i = 0; i < kWarpScoreTiles; ++i) {
      const uint32_t p = pack<T>(weight_of(s[i][2 * r], step.reference), weight_of(s[i][2 * r + 1], step.reference));
      *reinterpret_cast<uint32_t*>(row + (warp * kWarpScoreTiles + i) * 16) = p;
    }
  }
  __syncthreads();
  uint32_t p[kBlockTokens / 16][4];
#pragma unroll
  for (int step = 0; step < kBlockTokens / 16; ++step) {
    ldmatrix_x4(p[step], exchange.weights + lane % 16 * Exchange::kPitch + step * 32 + lane / 16 * 16);
    multiply_add<T>(state.sum, p[step], MmaTag<T>::kOnes, MmaTag<T>::kOnes);
  }
  const std::byte* const rows = values + lane * StageLayout<kDim>::kVPitch + warp * DecodeState<kDim>::kTiles * 16;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
#pragma unroll
    for (int n = 0; n < DecodeState<kDim>::kTiles; ++n) {
      uint32_t v[4];
      ldmatrix_x4_trans(v, rows + half * 32 * StageLayout<kDim>::kVPitch + n * 16);
      multiply_add<T>(state.o[n], p[2 * half], v[0], v[1]);
      multiply_add<T>(state.o[n], p[2 * half + 1], v[2], v[3]);
    }
  }
}

/// Shared memory: stages, exchange. Grid: rows; KV heads × tiles of query heads; spans, or 1 for all of them.
template <class T, int kDim, bool kSealed>
__global__ void __launch_bounds__(kAttentionThreads, kDim > 128 ? 1 : 2)
    decode_kernel(AttentionArguments args, int num_stages, SpanResults split) {
  const int row_index = static_cast<int>(blockIdx.x);
  const RowBounds row = bounds_of_row(args, row_index);
  if (row.num_tokens != 1) return;
  const int num_tiles = (args.group + kTileHeads - 1) / kTileHeads;
  const int kv_head = static_cast<int>(blockIdx.y) / num_tiles;
  const int tile_head = static_cast<int>(blockIdx.y) % num_tiles * kTileHeads;  // of the group
  const Walk walk = walk_of_single(args, row, row_index, kv_head);
  const int position = walk.position, from = walk.from;
  const bool is_split = split.o != nullptr;
  const int span = static_cast<int>(blockIdx.z);
  int first = from / kBlockTokens, last = position < 0 ? -1 : position / kBlockTokens;
  if (is_split) {
    first = max(first, span * kSpanBlocks);
    last = min(last, span * kSpanBlocks + kSpanBlocks - 1);
    if (first > last) return;
  }

  std::byte* const shared = dynamic_shared<std::byte>();
  Exchange& exchange = *reinterpret_cast<Exchange*>(shared + num_stages * StageLayout<kDim>::kBytes);
  auto pipeline = [&] {
    if constexpr (kSealed) {
      return SealedPipeline<T, kDim>(args, row, kv_head, walk, position / args.page_tokens, position + 1, first, last,
                                     shared);
    } else {
      return BlockPipeline<kDim>(args, row, kv_head, walk, position + 1, first, last, shared, num_stages);
    }
  }();
  const int lane = lane_of_thread();
  const auto head_of = [&](int r) { return kv_head * args.group + min(tile_head + lane / 4 + 8 * r, args.group - 1); };
  const auto query_address = [&](int r) {
    return args.q + row.token_begin * args.q_stride + int64_t{head_of(r)} * kDim;
  };
  uint32_t queries[kDim / 16][4];
#pragma unroll
  for (int step = 0; step < kDim / 16; ++step) load_queries<T>(queries[step], query_address(0), query_address(1), step);

  DecodeState<kDim> state, total;
  for (int block = first; block <= last; ++block) {
    const std::byte* const stage = pipeline.await();
    const int start = block * kBlockTokens;
    float s[kWarpScoreTiles][4];
    compute_scores<T, kDim>(s, queries, stage, args.scale_log2, from - start, position - start);
    add_block<T, kDim>(state, s, stage + StageLayout<kDim>::kKBytes, exchange);
    const bool is_last = block == last;
    if (!is_last && block % kSpanBlocks != kSpanBlocks - 1) continue;
    if (block / kSpanBlocks > first / kSpanBlocks) state.fold_behind(total);
    if (is_last) break;
    total = state;
    state = {};
  }

  const int first_dim = warp_of_thread() * (kDim / kWarps) + lane % 4 * 2;
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    if (tile_head + lane / 4 + 8 * r >= args.group) continue;
    const int head = head_of(r);
    const int64_t place = split.place(static_cast<int>(blockIdx.x), head, span);
    const float inverse = inverse_of(state.sum[2 * r]);
    if (is_split && warp_of_thread() == 0 && lane % 4 == 0) {
      split.states[place] = make_float2(state.highest[r], state.sum[2 * r]);
    }
#pragma unroll
    for (int n = 0; n < DecodeState<kDim>::kTiles; ++n) {
      const int dim = first_dim + n * 8;
      if (is_split) {
        *reinterpret_cast<float2*>(split.o + place * kDim + dim) =
            make_float2(state.o[n][2 * r], state.o[n][2 * r + 1]);
      } else {
        const int64_t element = int64_t{head} * kDim + dim;
        store_results(args, row.token_begin, element, finish(state.o[n][2 * r], inverse),
                      finish(state.o[n][2 * r + 1], inverse));
      }
    }
  }
}

template <class T, int kDim, bool kSealed>
void launch_decode(const OpContext& context, const AttentionArguments& args, int64_t max_end) {
  const int64_t num_tiles = (args.group + kTileHeads - 1) / kTileHeads;
  const DecodePlan plan = plan_decode(context, args, args.num_kv_heads * num_tiles, max_end);
  const int64_t limit = shared_limit(context);
  int num_stages = kSealed ? 1 : 3;
  const auto bytes_of = [&] { return num_stages * StageLayout<kDim>::kBytes + static_cast<int64_t>(sizeof(Exchange)); };
  while (num_stages > 1 && bytes_of() > limit) --num_stages;
  const dim3 grid(static_cast<unsigned>(args.num_rows), static_cast<unsigned>(args.num_kv_heads * num_tiles),
                  static_cast<unsigned>(plan.num_grid_spans));
  allow_shared(decode_kernel<T, kDim, kSealed>, bytes_of());
  launch(context, grid, kAttentionThreads, bytes_of(), decode_kernel<T, kDim, kSealed>, args, num_stages, plan.split);
  if (plan.split.o != nullptr) fold_spans(context, args, plan.split);
}

template <class T, bool kSealed>
void launch_decode(const OpContext& context, const AttentionArguments& args, int64_t max_end) {
  switch (args.head_dim) {
    case 64: return launch_decode<T, 64, kSealed>(context, args, max_end);
    case 96: return launch_decode<T, 96, kSealed>(context, args, max_end);
    case 128: return launch_decode<T, 128, kSealed>(context, args, max_end);
    case 256: return launch_decode<T, 256, kSealed>(context, args, max_end);
    default: LS_THROW(ShapeError, "paged_attention: no tensor-core kernel for heads of {}", args.head_dim);
  }
}

}  // namespace
}  // namespace lockstep::cuda
