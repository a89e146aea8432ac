#include "kernels/cuda/attention/arguments.cuh"
#include "kernels/cuda/attention/fold.h"
#include "kernels/cuda/attention/numerics.cuh"
#include "kernels/cuda/attention/walk.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/state.h"

#include <algorithm>
#include <bit>

namespace lockstep::cuda {
namespace {

/// One CTA a row and query head, a thread a dimension. Reads 8 + 4 · head_dim bytes a span.
__global__ void __launch_bounds__(kAttentionThreads) fold_kernel(AttentionArguments args, SpanResults spans) {
  const RowBounds row = bounds_of_row(args, static_cast<int>(blockIdx.x));
  if (row.num_tokens != 1) return;
  const int head = static_cast<int>(blockIdx.y);
  const Walk walk = walk_of_single(args, row, static_cast<int>(blockIdx.x), head / args.group);
  const int first = walk.from / kSpanTokens, last = walk.position < 0 ? -1 : walk.position / kSpanTokens;
  for (int dim = static_cast<int>(threadIdx.x); dim < args.head_dim; dim += kAttentionThreads) {
    float highest = kHidden, sum = 0.0F, o = 0.0F;
    for (int span = first; span <= last; ++span) {
      const int64_t place = spans.place(blockIdx.x, head, span);
      const float2 state = spans.states[place];
      const FoldFactors by = fold_maximum(highest, state.x);
      sum = fold(sum, state.y, by);
      o = fold(o, spans.o[place * args.head_dim + dim], by);
    }
    store_result(args, row.token_begin, int64_t{head} * args.head_dim + dim, finish(o, inverse_of(sum)));
  }
}

/// So many CTAs a multiprocessor keep it busy to the end, with two running at a time: then nothing is split.
constexpr int64_t kEnoughBlocks = 6;

}  // namespace

DecodePlan plan_decode(const OpContext& context, const AttentionArguments& args, int64_t heads, int64_t max_end) {
  const int64_t needed = std::max<int64_t>((max_end + kSpanTokens - 1) / kSpanTokens, 1);
  const auto num_spans = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(needed)));
  State& state = state_of(context);
  if (num_spans == 1 || args.num_rows * heads >= kEnoughBlocks * state.num_multiprocessors()) return {};
  const int32_t num_heads = args.num_kv_heads * args.group;
  const int64_t places = int64_t{args.num_rows} * num_heads * num_spans;
  const int64_t o_bytes = places * args.head_dim * static_cast<int64_t>(sizeof(float));
  auto* const memory = static_cast<std::byte*>(
      state.scratch(ScratchUse::kAttention, o_bytes + places * static_cast<int64_t>(sizeof(float2))));
  DecodePlan plan;
  plan.num_grid_spans = num_spans;
  plan.split = {reinterpret_cast<float*>(memory), reinterpret_cast<float2*>(memory + o_bytes), num_heads,
                static_cast<int32_t>(num_spans)};
  return plan;
}

void fold_spans(const OpContext& context, const AttentionArguments& args, const SpanResults& spans) {
  const dim3 grid(static_cast<unsigned>(args.num_rows), static_cast<unsigned>(spans.num_heads));
  launch(context, grid, kAttentionThreads, 0, fold_kernel, args, spans);
}

}  // namespace lockstep::cuda
