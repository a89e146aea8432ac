// estimate_pages() over `Vec`. Included by one file per instruction-set level.
#pragma once

#include "kernels/cpu/attention/bytes.h"
#include "kernels/cpu/selection/estimate.h"
#include "kernels/cpu/vector/parts.h"

namespace lockstep::cpu {
namespace {

constexpr int64_t kParts = kEstimateLanes / Vec::kWidth;
constexpr int kMostQueries = 4;  // estimated together, so that a page's channels are loaded once for them

class PageEstimator {
 public:
  explicit PageEstimator(const EstimateRun& run) : run_(run) {}

  void run() const {
    for (int64_t page = 0; page < run_.num_pages; ++page) {
      if (page + kAhead < run_.num_pages) prefetch(entry_of(page + kAhead));
      const std::byte* entry = entry_of(page);
      for (int64_t g = 0; g < run_.group; g += kMostQueries) {
        const int64_t left = run_.group - g;
        with_count<kMostQueries>(static_cast<int>(left < kMostQueries ? left : kMostQueries),
                                 [&](auto count) { estimate<count.value>(entry, g, run_.out + page); });
      }
    }
  }

 private:
  /// Slots of a sequence may be scattered over the table, which the processor's own prefetching does not foresee.
  static constexpr int64_t kAhead = 12;

  const std::byte* entry_of(int64_t page) const { return run_.entries + run_.slots[page] * run_.entry_bytes; }
  void prefetch(const std::byte* entry) const {
    for (int64_t i = 0; i < run_.entry_bytes; i += 64) __builtin_prefetch(entry + i);
  }

  /// Queries [first, first + kQueries) of the group: out[query * out_stride].
  template <int kQueries>
  void estimate(const std::byte* entry, int64_t first, float* out) const {
    const Half* means = reinterpret_cast<const Half*>(entry);
    const uint8_t* codes = reinterpret_cast<const uint8_t*>(entry) + 2 * run_.channels;
    const Bytes::I first_code = Bytes::broadcast(107 << 3);  // of scale_of_code(), which levels may not share
    Vec::F sum[kQueries][kParts];
    for (int g = 0; g < kQueries; ++g) {
      for (int64_t part = 0; part < kParts; ++part) sum[g][part] = Vec::zero();
    }
    const float* q = run_.q + first * run_.channels;
    const float* half_squares = run_.half_squares + first * run_.channels;
    for (int64_t i = 0; i < run_.channels; i += kEstimateLanes) {
#pragma GCC unroll 4
      for (int64_t part = 0; part < kParts; ++part) {
        const int64_t at = i + part * Vec::kWidth;
        const Vec::F mean = Vec::load(means + at);
        const Vec::F deviation =
            Bytes::as_float(Bytes::shift_left<20>(Bytes::add(Bytes::load_bytes(codes + at), first_code)));
        const Vec::F variance = Vec::mul(deviation, deviation);
#pragma GCC unroll 4
        for (int g = 0; g < kQueries; ++g) {
          const int64_t there = g * run_.channels + at;
          sum[g][part] = Vec::add(sum[g][part], Vec::mul(Vec::load(q + there), mean));
          sum[g][part] = Vec::add(sum[g][part], Vec::mul(Vec::load(half_squares + there), variance));
        }
      }
    }
#pragma GCC unroll 4
    for (int g = 0; g < kQueries; ++g) {
      for (int64_t step = kParts / 2; step > 0; step /= 2) {
        for (int64_t part = 0; part < step; ++part) sum[g][part] = Vec::add(sum[g][part], sum[g][part + step]);
      }
      out[(first + g) * run_.out_stride] = sum_lanes(sum[g][0]);
    }
  }

  const EstimateRun& run_;
};

}  // namespace
}  // namespace lockstep::cpu
