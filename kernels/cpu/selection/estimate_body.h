// estimate_pages() over `Vec`. Included by one file per instruction-set level.
#pragma once

#include "kernels/cpu/selection/estimate.h"
#include "kernels/cpu/vector/parts.h"

namespace lockstep::cpu {
namespace {

constexpr int64_t kParts = kEstimateLanes / Vec::kWidth;
constexpr int kMostQueries = 4;  // estimated together, so that a page's channels are loaded once for them

class PageEstimator {
 public:
  explicit PageEstimator(const EstimateRun& run)
      : run_(run),
        padded_dim_((run.head_dim + kEstimateLanes - 1) / kEstimateLanes * kEstimateLanes),
        means_(run.scratch),
        variances_(run.scratch + padded_dim_) {
    for (int64_t i = 0; i < 2 * padded_dim_; ++i) run.scratch[i] = 0.0F;
  }

  void run() const {
    for (int64_t page = 0; page < run_.num_pages; ++page) {
      if (page + kFarAhead < run_.num_pages) __builtin_prefetch(start_of(page + kFarAhead) + run_.means);
      if (page + kAhead < run_.num_pages) prefetch(start_of(page + kAhead));
      const std::byte* start = start_of(page);
      switch (run_.form) {
        case SummaryForm::kF16: widen(start); break;
        case SummaryForm::kKeys8: decode<8>(start); break;
        case SummaryForm::kKeys4: decode<4>(start); break;
      }
      for (int64_t g = 0; g < run_.group; g += kMostQueries) {
        const int64_t left = run_.group - g;
        with_count<kMostQueries>(static_cast<int>(left < kMostQueries ? left : kMostQueries),
                                 [&](auto count) { estimate<count.value>(page, g); });
      }
    }
  }

 private:
  /// Summaries lie a page apart, which the processor's own prefetching does not foresee. The first line comes earlier:
  /// finding the address of a page's memory takes longest (a third of the whole time, measured).
  static constexpr int64_t kAhead = 2, kFarAhead = 24;

  const std::byte* start_of(int64_t page) const { return run_.base + run_.slots[page] * run_.page_bytes; }

  void prefetch(const std::byte* start) const {
    const int64_t mean_bytes = 2 * run_.head_dim;
    constexpr int64_t kLine = 64;
    for (int64_t i = 0; i < mean_bytes; i += kLine) __builtin_prefetch(start + run_.means + i);
    if (run_.form == SummaryForm::kF16) {
      for (int64_t i = 0; i < mean_bytes; i += kLine) __builtin_prefetch(start + run_.deviations + i);
    } else {  // scales, codes of means and of deviations follow each other
      for (int64_t i = run_.scales; i < run_.deviations + run_.head_dim; i += kLine) __builtin_prefetch(start + i);
    }
  }

  void widen(const std::byte* start) const {
    const Half* means = reinterpret_cast<const Half*>(start + run_.means);
    const Half* deviations = reinterpret_cast<const Half*>(start + run_.deviations);
    for_each_vector(run_.head_dim, [&](int64_t i, auto lanes) {
      const Vec::F deviation = load(deviations + i, lanes);
      store(means_ + i, load(means + i, lanes), lanes);
      store(variances_ + i, Vec::mul(deviation, deviation), lanes);
    });
  }

  template <int kBits>
  void decode(const std::byte* start) const {
    const uint8_t* scales = reinterpret_cast<const uint8_t*>(start + run_.scales);
    const uint8_t* mean_codes = reinterpret_cast<const uint8_t*>(start + run_.mean_codes);
    const uint8_t* deviations = reinterpret_cast<const uint8_t*>(start + run_.deviations);
    const Half* offsets = reinterpret_cast<const Half*>(start + run_.means);
    for_each_vector(run_.head_dim, [&](int64_t i, auto lanes) { store(means_ + i, load(offsets + i, lanes), lanes); });
    for (int64_t i = 0; i < run_.head_dim; ++i) {
      const float scale = scale_of(scales[i]);
      const float deviation = scale * static_cast<float>(deviations[i]) * (kBits == 8 ? 0.5F : 1.0F / 32.0F);
      if constexpr (kBits == 4) means_[i] = means_[i] + scale * static_cast<float>(mean_codes[i]) * (1.0F / 16.0F);
      variances_[i] = deviation * deviation;
    }
  }
  // scale_of_code(), without sharing an inline function with files of other levels.
  static float scale_of(uint8_t code) { return __builtin_bit_cast(float, (code + (107U << 3)) << 20); }

  template <int kQueries>
  void estimate(int64_t page, int64_t first) const {
    Vec::F sum[kQueries][kParts];
    for (int g = 0; g < kQueries; ++g) {
      for (int64_t part = 0; part < kParts; ++part) sum[g][part] = Vec::zero();
    }
    const float* q = run_.q + first * padded_dim_;
    const float* half_squares = run_.half_squares + first * padded_dim_;
    for (int64_t i = 0; i < padded_dim_; i += kEstimateLanes) {
#pragma GCC unroll 4
      for (int64_t part = 0; part < kParts; ++part) {
        const int64_t at = i + part * Vec::kWidth;
        const Vec::F mean = Vec::load(means_ + at), variance = Vec::load(variances_ + at);
#pragma GCC unroll 4
        for (int g = 0; g < kQueries; ++g) {
          const int64_t there = g * padded_dim_ + at;
          sum[g][part] = Vec::add(sum[g][part], Vec::mul(Vec::load(q + there), mean));
          sum[g][part] = Vec::add(sum[g][part], Vec::mul(Vec::load(half_squares + there), variance));
        }
      }
    }
    for (int g = 0; g < kQueries; ++g) {
      alignas(64) float lanes[kEstimateLanes];
      for (int64_t part = 0; part < kParts; ++part) Vec::store(lanes + part * Vec::kWidth, sum[g][part]);
      for (int64_t step = kEstimateLanes / 2; step > 0; step /= 2) {
        for (int64_t i = 0; i < step; ++i) lanes[i] += lanes[i + step];
      }
      run_.out[(first + g) * run_.out_stride + page] = lanes[0];
    }
  }

  const EstimateRun& run_;
  int64_t padded_dim_;
  float *means_, *variances_;
};

}  // namespace
}  // namespace lockstep::cpu
