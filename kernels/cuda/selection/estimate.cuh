// Estimates of pages: half a warp a page, a lane for the channels of its number modulo 16. The order of the sums is
// that of kernels/cpu/selection/estimate_body.h, and so are the bits. Reads 3 bytes a channel and page.
#pragma once

#include "kernels/cuda/element.cuh"
#include "kernels/cuda/ptx.cuh"
#include "kernels/cuda/selection/arguments.cuh"
#include "kernels/kv_codes.h"

namespace lockstep::cuda {

inline constexpr int kEstimateThreads = 128, kEstimateLanes = 16;
inline constexpr int kPagesAtOnce = kEstimateThreads / kEstimateLanes;
inline constexpr int kPagesPerBlock = 4 * kPagesAtOnce;
inline constexpr int kQueriesAtOnce = 4;

struct ChannelSummary {
  float mean, variance;
};

/// Reads one channel of a page's entry.
__device__ inline ChannelSummary summary_of(const SelectionArguments& args, const std::byte* entry, int channel) {
  const float deviation = scale_of_code(reinterpret_cast<const uint8_t*>(entry + args.deviations)[channel]);
  return {widen(reinterpret_cast<const __half*>(entry)[channel]), __fmul_rn(deviation, deviation)};
}

__global__ void __launch_bounds__(kEstimateThreads) estimate_kernel(SelectionArguments args) {
  const int64_t row = blockIdx.z, head = blockIdx.y;
  page_ranking::Candidates candidates{};
  if (!args.is_listed(row, candidates) || candidates.reads_all) return;
  const int64_t first = candidates.first + int64_t{blockIdx.x} * kPagesPerBlock;
  if (first >= candidates.own) return;

  const int head_dim = args.head_dim;
  float* const scaled = dynamic_shared<float>();  // [group][head_dim]
  float* const half_squares = scaled + args.group * head_dim;
  const float* const q = args.q + args.token_begin[row] * args.q_stride + head * args.group * head_dim;
  for (int i = static_cast<int>(threadIdx.x); i < args.group * head_dim; i += kEstimateThreads) {
    const float value = __fmul_rn(args.scale, q[i]);
    scaled[i] = value;
    half_squares[i] = __fmul_rn(0.5F, __fmul_rn(value, value));
  }
  __syncthreads();

  const int lane = static_cast<int>(threadIdx.x) % kEstimateLanes;
  const int place = static_cast<int>(threadIdx.x) / kEstimateLanes;
  const int64_t list = args.list_of(row, head);
  const int32_t* const slots = args.slots + args.page_begin[row];
  for (int round = 0; round < kPagesPerBlock / kPagesAtOnce; ++round) {
    const int64_t page = first + round * kPagesAtOnce + place;
    const bool is_page = page < candidates.own;  // all lanes stay for the warp's sums
    const int32_t slot = is_page ? slots[page + (args.splits_first_page && page > 0 ? 1 : 0)] : 0;
    const std::byte* const entry = args.entries + head * args.head_entry_bytes + slot * args.entry_bytes;
    for (int first_query = 0; first_query < args.group; first_query += kQueriesAtOnce) {
      float sums[kQueriesAtOnce] = {};
      for (int channel = lane; is_page && channel < head_dim; channel += kEstimateLanes) {
        const ChannelSummary summary = summary_of(args, entry, channel);
#pragma unroll
        for (int g = 0; g < kQueriesAtOnce; ++g) {
          if (first_query + g >= args.group) break;
          const int at = (first_query + g) * head_dim + channel;
          sums[g] = __fadd_rn(sums[g], __fmul_rn(scaled[at], summary.mean));
          sums[g] = __fadd_rn(sums[g], __fmul_rn(half_squares[at], summary.variance));
        }
      }
#pragma unroll
      for (int g = 0; g < kQueriesAtOnce; ++g) {
        for (int step = kEstimateLanes / 2; step > 0; step /= 2) {
          sums[g] = __fadd_rn(sums[g], __shfl_xor_sync(0xffffffffU, sums[g], step));
        }
        if (is_page && lane == 0 && first_query + g < args.group) {
          args.estimates[(list * args.group + first_query + g) * args.max_pages + page - candidates.first] = sums[g];
        }
      }
    }
  }
}

}  // namespace lockstep::cuda
