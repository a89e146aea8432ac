// Attention of prompt chunks on tensor cores: a CTA takes 64 queries (tokens × heads of one KV head, packed) of one row
// and walks the keys that they see; each of its four warps owns 16 of them, FlashAttention-2's arrangement.
//
// Memory: a CTA reads its queries once and its row's keys and values up to its last query once, mostly from the L2
// cache, where the row's other tiles find them too. FLOPs: 4 · head_dim a query and key; an instruction's operands come
// from shared memory for K and V only (32 B per 16-row product pair), queries stay in registers up to 128 dimensions.
#pragma once

#include "kernels/cuda/attention/launch.h"
#include "kernels/cuda/attention/prefill_warp.cuh"
#include "kernels/cuda/attention/sealed_pipeline.cuh"
#include "kernels/cuda/attention/shared_limit.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/state.h"

namespace lockstep::cuda {
namespace {

constexpr int kTileQueries = 64;

/// 64 queries of a row, or fewer, as numbers of the row's queries (token * group + head of the group).
struct Tile {
  int32_t row, first, end;  // end: of the queries that this and its neighbours share out; none from there on
};

/// Full pages: a row's tiles come at (its first query / 64) + its number: more places than tiles, and no table of
/// tiles. Sealed pages: a tile's queries are all of one page, which they see as it was written. A row's tiles come page
/// by page, so many to each; a row of n tokens touches at most n / page_tokens + 2 pages.
template <bool kSealed>
struct TilePlaces {
  const AttentionArguments& args;

  __host__ __device__ int32_t tiles_a_page() const {
    return (args.page_tokens * args.group + kTileQueries - 1) / kTileQueries;
  }
  __host__ __device__ int32_t first(int32_t token, int32_t row) const {
    return kSealed ? (token / args.page_tokens + 2 * row) * tiles_a_page()
                   : static_cast<int32_t>(int64_t{token} * args.group / kTileQueries) + row;
  }
  __device__ int32_t row_of(int32_t place) const {
    int32_t row = 0, end = args.num_rows;
    while (end - row > 1) {
      const int32_t middle = (row + end) / 2;
      (first(args.token_begin[middle], middle) <= place ? row : end) = middle;
    }
    return row;
  }
  __device__ Tile tile_of(int32_t place) const {
    const int32_t row = row_of(place), begin = args.token_begin[row], within = place - first(begin, row);
    const int32_t num_tokens = args.token_begin[row + 1] - begin;
    if (!kSealed) return {row, within * kTileQueries, num_tokens * args.group};
    const int32_t position = args.first_position[row];
    const int32_t page_begin = (position / args.page_tokens + within / tiles_a_page()) * args.page_tokens - position;
    const int32_t tokens = min(page_begin + args.page_tokens, num_tokens);  // of the row, up to this page's end
    return {row, max(page_begin, 0) * args.group + within % tiles_a_page() * kTileQueries, tokens * args.group};
  }
};

__device__ void clear_padding(const AttentionArguments& args, const RowBounds& row, const Tile& tile, int kv_head) {
  const int end = min(tile.first + kTileQueries, tile.end) * args.head_dim;
  for (int i = tile.first * args.head_dim + static_cast<int>(threadIdx.x); i < end; i += kAttentionThreads) {
    const int query = i / args.head_dim, head = kv_head * args.group + query % args.group;
    store_result(args, row.token_begin + query / args.group, int64_t{head} * args.head_dim + i % args.head_dim, 0.0F);
  }
}

/// Two of a tile's queries, those whose results a thread holds; beyond `end` the last query again.
struct ThreadQueries {
  int token[2], head[2], position[2];
  bool is_stored[2];
};

__device__ ThreadQueries queries_of_thread(const AttentionArguments& args, const RowBounds& row, int kv_head,
                                           int first_query, int end) {
  ThreadQueries queries;
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const int wanted = first_query + lane_of_thread() / 4 + 8 * r, query = min(wanted, end - 1);
    const int token = query / args.group;
    queries.token[r] = row.token_begin + token;
    queries.head[r] = kv_head * args.group + query - token * args.group;
    queries.position[r] = row.first_position + token;
    queries.is_stored[r] = wanted < end;
  }
  return queries;
}

/// Shared memory: stages, queries, total; `totals` instead of the last where it does not fit.
template <class T, int kDim, bool kSealed>
__global__ void __launch_bounds__(kAttentionThreads, kDim > 128 ? 1 : 2)
    prefill_kernel(AttentionArguments args, int num_stages, std::byte* totals) {
  // Late tiles see most keys: they start first.
  const int place = static_cast<int>(gridDim.x - 1 - blockIdx.x), kv_head = static_cast<int>(blockIdx.y);
  const Tile tile = TilePlaces<kSealed>{args}.tile_of(place);
  const RowBounds row = bounds_of_row(args, tile.row);
  if (row.num_tokens < 2 || tile.first >= tile.end) return;  // single tokens are decode's
  if (row.is_padding) return clear_padding(args, row, tile, kv_head);

  const int warp_query = tile.first + warp_of_thread() * 16;
  const auto position_of = [&](int query) { return row.first_position + min(query, tile.end - 1) / args.group; };
  const int first = first_key(args, position_of(tile.first)) / kBlockTokens;
  const int last = position_of(tile.first + kTileQueries - 1) / kBlockTokens;
  // What this warp's queries see, and from which key on not all of them do.
  const int warp_low = position_of(warp_query), warp_high = position_of(warp_query + 15);
  const int warp_first = first_key(args, warp_low) / kBlockTokens;
  const int warp_last = warp_query < tile.end ? warp_high / kBlockTokens : -1;
  const int all_see_from = first_key(args, warp_high);

  std::byte* const shared = dynamic_shared<std::byte>();
  std::byte* const query_memory = shared + num_stages * StageLayout<kDim>::kBytes;
  std::byte* const total_memory =
      totals == nullptr ? query_memory + QueryOperands<T, kDim>::kSharedBytes
                        : totals + (int64_t{blockIdx.y} * gridDim.x + blockIdx.x) * SpanTotal<kDim>::kBytes;
  const Walk walk = walk_all(args, position_of(tile.end - 1));
  auto pipeline = [&] {
    if constexpr (kSealed) {
      return SealedPipeline<T, kDim>(args, row, kv_head, walk, walk.position / args.page_tokens, walk.position + 1,
                                     first, last, shared);
    } else {
      return BlockPipeline<kDim>(args, row, kv_head, walk, row.first_position + row.num_tokens, first, last, shared,
                                 num_stages);
    }
  }();
  const auto query_address = [&](int r) {
    const ThreadQueries mine = queries_of_thread(args, row, kv_head, warp_query, tile.end);
    return args.q + mine.token[r] * args.q_stride + int64_t{mine.head[r]} * kDim;
  };
  const QueryOperands<T, kDim> queries(query_address(0), query_address(1), query_memory);
  WarpState<kDim> state;
  SpanTotal<kDim> total(total_memory);

  for (int block = first; block <= last; ++block) {
    const std::byte* const stage = pipeline.await();
    const int start = block * kBlockTokens;
    if (block >= warp_first && block <= warp_last) {
      float s[kScoreTiles][4];
      compute_scores<T, kDim>(s, queries, stage, args.scale_log2);
      if (start + kBlockTokens - 1 > warp_low || start < all_see_from) {
#pragma unroll
        for (int r = 0; r < 2; ++r) {
          const int position = position_of(warp_query + lane_of_thread() / 4 + 8 * r);
          const int from = first_key(args, position) - start, to = position - start;
#pragma unroll
          for (int n = 0; n < kScoreTiles; ++n) {
            const int column = lane_of_thread() % 4 * 2;
            s[n][2 * r] = hide(s[n][2 * r], n, column, from, to);
            s[n][2 * r + 1] = hide(s[n][2 * r + 1], n, column + 1, from, to);
          }
        }
      }
      add_block<T, kDim>(state, s, stage + StageLayout<kDim>::kKBytes);
    }
    const bool is_last = block == last;
    if (!is_last && block % kSpanBlocks != kSpanBlocks - 1) continue;
    if (block / kSpanBlocks > first / kSpanBlocks) total.fold_into(state);
    if (is_last) break;
    total.set(state);
    state = {};
  }

  const ThreadQueries mine = queries_of_thread(args, row, kv_head, warp_query, tile.end);
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    if (!mine.is_stored[r]) continue;
    const float inverse = inverse_of(state.sum[2 * r]);
    const int64_t element = int64_t{mine.head[r]} * kDim + lane_of_thread() % 4 * 2;
#pragma unroll
    for (int n = 0; n < kDim / 8; ++n) {
      store_results(args, mine.token[r], element + n * 8, finish(state.o[n][2 * r], inverse),
                    finish(state.o[n][2 * r + 1], inverse));
    }
  }
}

template <class T, int kDim, bool kSealed>
void launch_prefill(const OpContext& context, const AttentionArguments& args, int64_t max_end) {
  const dim3 grid(static_cast<unsigned>(TilePlaces<kSealed>{args}.first(args.num_tokens, args.num_rows)),
                  static_cast<unsigned>(args.num_kv_heads));
  const int64_t total_bytes = max_end > kSpanTokens ? SpanTotal<kDim>::kBytes : 0;
  const int64_t query_bytes = QueryOperands<T, kDim>::kSharedBytes, limit = shared_limit(context);
  // Two stages, and the total in shared memory, where a CTA may have that much: up to 128 dimensions everywhere.
  const int num_stages = !kSealed && 2 * StageLayout<kDim>::kBytes + query_bytes <= limit ? 2 : 1;
  int64_t shared_bytes = num_stages * StageLayout<kDim>::kBytes + query_bytes;
  std::byte* totals = nullptr;
  if (shared_bytes + total_bytes <= limit) {
    shared_bytes += total_bytes;
  } else {
    const int64_t bytes = total_bytes * grid.x * grid.y;
    totals = static_cast<std::byte*>(state_of(context).scratch(ScratchUse::kAttention, bytes));
  }
  allow_shared(prefill_kernel<T, kDim, kSealed>, shared_bytes);
  launch(context, grid, kAttentionThreads, shared_bytes, prefill_kernel<T, kDim, kSealed>, args, num_stages, totals);
}

template <class T, bool kSealed>
void launch_prefill(const OpContext& context, const AttentionArguments& args, int64_t max_end) {
  switch (args.head_dim) {
    case 64: return launch_prefill<T, 64, kSealed>(context, args, max_end);
    case 96: return launch_prefill<T, 96, kSealed>(context, args, max_end);
    case 128: return launch_prefill<T, 128, kSealed>(context, args, max_end);
    case 256: return launch_prefill<T, 256, kSealed>(context, args, max_end);
    default: LS_THROW(ShapeError, "paged_attention: no tensor-core kernel for heads of {}", args.head_dim);
  }
}

}  // namespace
}  // namespace lockstep::cuda
