// The best element of a row, in two steps: blocks of fixed pieces of a row, then a warp a row. "Better" is a total
// order, so how a row is cut cannot show. Memory: a row read once, 8 bytes a piece written and read again.
#include "kernels/backends.h"
#include "kernels/cuda/address.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/state.h"

#include <climits>

namespace lockstep::cuda {
namespace {

constexpr int kWarp = 32, kThreads = 256;
constexpr unsigned kAllLanes = 0xffffffffU;
constexpr int kGroupsOfThread = 4;  // loads in flight
constexpr int64_t kPiece = int64_t{kThreads} * kGroupsOfThread * kGroup;

/// ArgmaxResult as a plain value.
struct Best {
  float value;
  int32_t token;
};
static_assert(sizeof(Best) == sizeof(ArgmaxResult));

__device__ bool is_nan(float x) { return x != x; }

/// better_of (kernels/sample.h): the higher value, on equal values the lower token, NaN below everything.
__device__ Best better(Best a, Best b) {
  const bool a_is_nan = is_nan(a.value), b_is_nan = is_nan(b.value);
  const bool are_equal = a_is_nan == b_is_nan && (a_is_nan || a.value == b.value);
  const bool takes_a = are_equal ? a.token <= b.token : a_is_nan ? false : b_is_nan || a.value > b.value;
  return takes_a ? a : b;
}

/// Loses against every element of a row.
__device__ Best nothing() { return {__int_as_float(0x7fc00000), INT_MAX}; }

/// The best of a warp's 32 lanes, in all of them.
__device__ Best best_of_warp(Best best) {
#pragma unroll
  for (int step = kWarp / 2; step > 0; step /= 2) {
    best = better(best, {__shfl_xor_sync(kAllLanes, best.value, step), __shfl_xor_sync(kAllLanes, best.token, step)});
  }
  return best;
}

/// Block (x, y): piece y of row x.
__global__ void __launch_bounds__(kThreads)
    best_of_piece_kernel(Rows<const float> logits, int64_t columns, int64_t vocab_begin, Best* out) {
  __shared__ Best partial[kThreads / kWarp];
  const float* const row = logits[blockIdx.x];
  const int64_t first = blockIdx.y * kPiece + int64_t{threadIdx.x} * kGroup;
  float x[kGroupsOfThread][kGroup];
#pragma unroll
  for (int k = 0; k < kGroupsOfThread; ++k) {
    const int64_t i = first + k * kThreads * kGroup;
    if (i < columns) load_group(row + i, columns - i, logits.is_aligned, x[k]);
  }
  Best best = nothing();
#pragma unroll
  for (int k = 0; k < kGroupsOfThread; ++k) {
#pragma unroll
    for (int j = 0; j < kGroup; ++j) {
      const int64_t i = first + k * kThreads * kGroup + j;
      if (i < columns) best = better(best, {x[k][j], static_cast<int32_t>(vocab_begin + i)});
    }
  }
  best = best_of_warp(best);
  const unsigned warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  if (lane == 0) partial[warp] = best;
  __syncthreads();
  if (warp != 0) return;
  best = best_of_warp(lane < kThreads / kWarp ? partial[lane] : nothing());
  if (lane == 0) out[int64_t{blockIdx.x} * gridDim.y + blockIdx.y] = best;
}

/// One warp a row.
__global__ void best_of_row_kernel(const Best* pieces, int64_t num_pieces, Best* out) {
  Best best = nothing();
  for (int64_t i = threadIdx.x; i < num_pieces; i += kWarp) {
    best = better(best, pieces[blockIdx.x * num_pieces + i]);
  }
  best = best_of_warp(best);
  if (threadIdx.x == 0) out[blockIdx.x] = best;
}

}  // namespace

void argmax_rows(const OpContext& context, ConstTensorView logits, int64_t vocab_begin, std::span<ArgmaxResult> out) {
  const auto num_rows = static_cast<unsigned>(logits.size(0)), num_pieces = div_up(logits.size(1), kPiece);
  auto* const results = reinterpret_cast<Best*>(out.data());
  Best* pieces = results;
  if (num_pieces > 1) {
    const int64_t bytes = int64_t{num_rows} * num_pieces * static_cast<int64_t>(sizeof(Best));
    pieces = static_cast<Best*>(state_of(context).scratch(ScratchUse::kSample, bytes));
  }
  launch(context, dim3(num_rows, num_pieces), dim3(kThreads), 0, best_of_piece_kernel, rows_of<const float>(logits),
         logits.size(1), vocab_begin, pieces);
  if (num_pieces > 1) {
    launch(context, dim3(num_rows), dim3(kWarp), 0, best_of_row_kernel, pieces, num_pieces, results);
  }
}

}  // namespace lockstep::cuda
