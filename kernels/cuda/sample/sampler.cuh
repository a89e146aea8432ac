// How one block draws the token of one row without sorting it: weights are integers, so the row's mass by bins of the
// order says which bin the drawn token is in, whoever adds it up; the few tokens of that bin are then ranked by
// comparing each with each. Crowded bins (many equal logits) are first cut into bins of their own.
//
// Memory: a row is read three times for a plain draw (best; bins; the drawn bin), once more each for top_k, top_p and
// min_p where they cut, from L2 after the first time. Arithmetic: one exponential a token that has weight, in double.
#pragma once

#include "kernels/cuda/sample/bins.cuh"
#include "kernels/sample_rows.h"

namespace lockstep::cuda {

inline constexpr int kRowBins = 2048, kFinerBins = 1024, kLog2FinerBins = 10;
inline constexpr unsigned kListed = 1024;  // tokens of a bin that are ranked directly: at most a million comparisons

/// In shared memory: 41 KB.
struct SampleSpace {
  SampleBins<kRowBins> bins;  // of the whole row
  union {                     // of one bin: bins of its own while it is crowded, then its tokens
    SampleBins<kFinerBins> finer;
    struct {
      Wide key[kListed], weight[kListed];
    } list;
  };
  ScanSpace scan;
  Wide values[32];  // to combine
  Wide found_key, found_mass;
  unsigned num_listed;
  int found_bin;
};

/// The token at which a sum crosses a threshold, and the mass of all tokens up to and including it.
struct SampleCrossing {
  uint64_t key, mass;
};

/// All members are called by all threads of the block alike, and return the same to each.
template <int kThreads>
class RowSampler {
 public:
  __device__ RowSampler(SampleRow row, const RowSampling& settings, SampleSpace& space)
      : row_(row), settings_(settings), space_(space) {}

  /// -1 if nothing can be drawn.
  __device__ int32_t sample() {
    const uint64_t best = find_best();
    if (best == 0) return -1;
    if (settings_.temperature == 0.0) return token_of(best);

    fill_bins();
    uint64_t kept = space_.bins.mass[kRowBins - 1], last = 0;  // mass of what is left, and the last token of it
    const auto top_k = static_cast<uint64_t>(settings_.top_k);
    if (settings_.top_k > 0 && top_k < space_.bins.count[kRowBins - 1]) {
      const SampleCrossing cut = crossing<true>(top_k - 1);
      kept = cut.mass, last = cut.key;
    }
    const uint64_t share = share_of(kept, settings_.top_p), enough = share > 0 ? share : 1;
    if (enough < kept) {
      const SampleCrossing cut = crossing<false>(enough - 1);
      kept = cut.mass, last = cut.key;
    }
    if (unlikely_ > 0 && unlikely_ >= last) kept = mass_above(unlikely_);
    return token_of(crossing<false>(draw_target(kept, settings_.seed, settings_.position)).key);
  }

 private:
  template <class Visit>
  __device__ void each(const Visit& visit) const {
    row_.template each<kThreads>(visit);
  }
  __device__ uint64_t sum(uint64_t value) { return combine<kThreads, true>(space_.values, value); }
  __device__ uint64_t greatest(uint64_t value) { return combine<kThreads, false>(space_.values, value); }
  __device__ uint64_t weight(float logit) const { return sample_weight(logit, best_, settings_.temperature); }

  /// The best token's key, or 0. Finds the range of the logits too.
  __device__ uint64_t find_best() {
    uint64_t best = 0, worst = 0;  // worst: the key's complement
    each([&](float logit, int32_t token) {
      const uint64_t key = sample_key(logit, token);
      best = best > key ? best : key;
      worst = worst > ~key ? worst : ~key;
    });
    best = greatest(best);
    if (best == 0 || settings_.temperature == 0.0) return best;
    best_ = logit_of(best);
    float lowest = logit_of(~greatest(worst));
    if (best_ == std::numeric_limits<float>::infinity()) {
      row_.only_infinite = true;
      best_ = lowest = 0.0F;
    }
    // Bins of equal width cover the logits that have weight, and no others: a mask of -1e9 does not squeeze the rest.
    weightless_ = rounded::multiply(kWeightlessTemperatures, settings_.temperature);
    const double range = rounded::subtract(static_cast<double>(best_), static_cast<double>(lowest));
    bins_per_unit_ = rounded::divide(kRowBins - 1, range < weightless_ ? range : weightless_);
    return best;
  }

  /// The bin of a logit; kRowBins for those so low that their weight is 0, which come last and are never drawn.
  __device__ int bin_of(float logit) const {
    const double below = rounded::subtract(static_cast<double>(best_), static_cast<double>(logit));
    if (below == 0.0) return 0;  // also where a unit has infinitely many bins
    if (below >= weightless_) return kRowBins;
    const double bin = rounded::multiply(below, bins_per_unit_);
    return bin < kRowBins - 1 ? static_cast<int>(bin) : kRowBins - 1;
  }

  __device__ void fill_bins() {
    const uint64_t least = share_of(kFullWeight, settings_.min_p);
    uint64_t unlikely = 0;
    clear<kThreads>(space_.bins);
    each([&](float logit, int32_t token) {
      const int bin = bin_of(logit);
      if (bin == kRowBins) return;
      const uint64_t w = weight(logit);
      space_.bins.add(bin, w);
      if (w >= least) return;
      const uint64_t key = sample_key(logit, token);
      unlikely = unlikely > key ? unlikely : key;
    });
    accumulate<kThreads>(space_.bins, space_.scan);
    if (least > 0) unlikely_ = greatest(unlikely);
  }

  __device__ uint64_t mass_above(uint64_t key) {
    uint64_t mass = 0;
    each([&](float logit, int32_t token) {
      if (sample_key(logit, token) > key) mass += weight(logit);
    });
    return sum(mass);
  }

  /// Some tokens that are neighbours in the order.
  struct Group {
    int bin;             // all of this bin of the row
    uint64_t low, high;  // or, with a `high`, those from one key to another
    unsigned count;
    uint64_t mass_before, count_before;
  };
  __device__ bool contains(const Group& group, float logit, uint64_t key) const {
    return group.high == 0 ? bin_of(logit) == group.bin : group.low <= key && key <= group.high;
  }

  /// Where the sum over the order first exceeds `threshold`; it does somewhere.
  template <bool kByCount>
  __device__ SampleCrossing crossing(uint64_t threshold) {
    const int bin = first_bin_beyond<kThreads, kByCount>(space_.bins, threshold, &space_.found_bin);
    const auto& bins = space_.bins;
    Group group{bin, 0, 0, bins.count_of(bin), bins.mass_before(bin), bins.count_before(bin)};
    if (group.count > kListed) find_ends(group);
    while (group.count > kListed) cut<kByCount>(group, threshold);
    return rank<kByCount>(group, threshold);
  }

  /// Replaces a bin by its first and last key.
  __device__ void find_ends(Group& group) {
    uint64_t high = 0, low = 0;  // low: the complement
    each([&](float logit, int32_t token) {
      if (bin_of(logit) != group.bin) return;
      const uint64_t key = sample_key(logit, token);
      high = high > key ? high : key;
      low = low > ~key ? low : ~key;
    });
    group.high = greatest(high);
    group.low = ~greatest(low);
  }

  /// Cuts the group's keys into bins and goes on with the one in which the sum crosses. Keys differ, so it ends.
  template <bool kByCount>
  __device__ void cut(Group& group, uint64_t threshold) {
    auto& bins = space_.finer;
    const int bits = 64 - std::countl_zero(group.high - group.low);
    const int shift = bits > kLog2FinerBins ? bits - kLog2FinerBins : 0;
    clear<kThreads>(bins);
    each([&](float logit, int32_t token) {
      const uint64_t key = sample_key(logit, token);
      if (contains(group, logit, key)) bins.add(static_cast<int>((group.high - key) >> shift), weight(logit));
    });
    accumulate<kThreads>(bins, space_.scan);
    const uint64_t before = kByCount ? group.count_before : group.mass_before;
    const int bin = first_bin_beyond<kThreads, kByCount>(bins, threshold - before, &space_.found_bin);
    group.high -= static_cast<uint64_t>(bin) << shift;
    const uint64_t width = uint64_t{1} << shift;
    if (group.high - group.low >= width) group.low = group.high - width + 1;
    group.count = bins.count_of(bin);
    group.mass_before += bins.mass_before(bin);
    group.count_before += bins.count_before(bin);
    __syncthreads();  // the bins have been read
  }

  template <bool kByCount>
  __device__ SampleCrossing rank(const Group& group, uint64_t threshold) {
    if (threadIdx.x == 0) space_.num_listed = 0;
    __syncthreads();
    auto& list = space_.list;
    each([&](float logit, int32_t token) {
      const uint64_t key = sample_key(logit, token);
      if (!contains(group, logit, key)) return;
      const unsigned at = atomicAdd(&space_.num_listed, 1U);
      list.key[at] = key;
      list.weight[at] = weight(logit);
    });
    __syncthreads();
    const unsigned num_listed = space_.num_listed;
    for (unsigned i = threadIdx.x; i < num_listed; i += kThreads) {
      uint64_t mass = group.mass_before, count = group.count_before;
      for (unsigned j = 0; j < num_listed; ++j) {
        if (list.key[j] <= list.key[i]) continue;
        mass += list.weight[j];
        ++count;
      }
      const uint64_t before = kByCount ? count : mass, own = kByCount ? 1 : list.weight[i];
      if (threshold < before || threshold - before >= own) continue;
      space_.found_key = list.key[i];  // one thread does
      space_.found_mass = mass + list.weight[i];
    }
    __syncthreads();
    const SampleCrossing found{space_.found_key, space_.found_mass};
    __syncthreads();
    return found;
  }

  SampleRow row_;
  const RowSampling settings_;
  SampleSpace& space_;
  float best_ = 0.0F;
  double weightless_ = 0.0, bins_per_unit_ = 0.0;
  uint64_t unlikely_ = 0;  // the first token less likely than min_p allows; 0: none
};

}  // namespace lockstep::cuda
