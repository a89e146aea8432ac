// Estimates of pages from their summaries, compiled once per instruction-set level.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lockstep::cpu {

/// Channels of a vector of every level: rows of q and entries have a multiple of it.
inline constexpr int64_t kEstimateLanes = 16;

/// Pages of one sequence, for one KV head. Plain addresses: files of one instruction-set level share no inline code.
struct EstimateRun {
  const std::byte* entries = nullptr;  // those of the layer and head (kernels/page_summaries.h)
  int64_t entry_bytes = 0;
  const int32_t* slots = nullptr;  // [num_pages], their entries
  int64_t num_pages = 0;
  int64_t channels = 0;  // head_dim up to whole kEstimateLanes
  // [group][channels], zeros behind head_dim: scale * q, and half its square.
  const float* q = nullptr;
  const float* half_squares = nullptr;
  int64_t group = 0;
  float* out = nullptr;  // [group][out_stride]
  int64_t out_stride = 0;
};

using EstimatePagesFn = void(const EstimateRun&);
/// The same bits on every level: sixteen running sums, a channel in the one of its number modulo 16; products and sums
/// rounded each; the sixteen added as a tree.
EstimatePagesFn estimate_pages_scalar, estimate_pages_avx2, estimate_pages_avx512;

}  // namespace lockstep::cpu
