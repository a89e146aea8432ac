// Estimates of pages from their summaries, compiled once per instruction-set level.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lockstep::cpu {

/// How a page keeps means and deviations of its keys' channels (kernels/kv_codes.h).
enum class SummaryForm : uint8_t { kF16, kKeys8, kKeys4 };

/// Channels of a vector of every level: rows of q have a multiple of it.
inline constexpr int64_t kEstimateLanes = 16;

/// Neighbouring pages of one sequence and form, for one KV head. Plain addresses: files of one instruction-set level
/// share no inline code.
struct EstimateRun {
  const std::byte* base = nullptr;  // slot 0's block that the offsets count from
  const int32_t* slots = nullptr;   // [num_pages]
  int64_t num_pages = 0, page_bytes = 0;
  SummaryForm form = SummaryForm::kF16;
  int64_t means = 0;       // F16: means, of 4 bits what code 0 stands for
  int64_t scales = 0;      // not kF16
  int64_t mean_codes = 0;  // kKeys4
  int64_t deviations = 0;  // F16, or codes
  int64_t head_dim = 0;
  // [group][head_dim up to whole kEstimateLanes, zeros behind]: scale * q, and half its square.
  const float* q = nullptr;
  const float* half_squares = nullptr;
  int64_t group = 0;
  float* out = nullptr;  // [group][out_stride]
  int64_t out_stride = 0;
  float* scratch = nullptr;  // two rows as those of q
};

using EstimatePagesFn = void(const EstimateRun&);
/// The same bits on every level: sixteen running sums, a channel in the one of its number modulo 16; products and sums
/// rounded each; the sixteen added as a tree.
EstimatePagesFn estimate_pages_scalar, estimate_pages_avx2, estimate_pages_avx512;

}  // namespace lockstep::cpu
