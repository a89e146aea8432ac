// Lists from estimates: a thread block a list. The pages that come first by (rank, page) are found by their keys'
// bytes, highest byte first, as in a radix sort that follows one bin; weights are whole numbers, so that their sums
// have no order.
#pragma once

#include "kernels/cuda/selection/arguments.cuh"

namespace lockstep::cuda {

inline constexpr int kChooseThreads = 256;

class ListChooser {
 public:
  using Wide = unsigned long long;
  struct Shared {
    Wide sums[kChooseThreads / 32];
    float maxima[kChooseThreads / 32];
    Wide bin_shares[256];
    unsigned bin_counts[256];
    unsigned begins[kChooseThreads];
    // What is taken for sure, and where the rest lies.
    Wide share;
    unsigned count, prefix;
    int last_tie;
    bool is_done;
  };

  __device__ ListChooser(const SelectionArguments& args, const page_ranking::Candidates& candidates, int64_t list,
                         Shared& shared)
      : args_(args),
        at_(candidates),
        shared_(shared),
        estimates_(args.estimates + list * args.group * args.max_pages),
        shares_(args.shares + list * args.max_pages),
        keys_(args.keys + list * args.max_pages),
        num_pages_(static_cast<int>(candidates.own - candidates.first)),
        thread_(static_cast<int>(threadIdx.x)) {}

  /// Returns, to all threads, the share of the listed pages.
  __device__ Wide run(int32_t* pages, int32_t* count) {
    rank();
    find();
    return write(pages, count);
  }

 private:
  template <class Visit>
  __device__ void for_own(Visit visit) const {
    for (int i = thread_; i < num_pages_; i += kChooseThreads) visit(i);
  }
  __device__ bool is_forced(int i) const { return at_.is_forced(at_.first + i); }

  __device__ Wide block_sum(Wide value) const {
    for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(0xffffffffU, value, step);
    if (thread_ % 32 == 0) shared_.sums[thread_ / 32] = value;
    __syncthreads();
    Wide sum = 0;
    for (const Wide one : shared_.sums) sum += one;
    __syncthreads();
    return sum;
  }
  __device__ float block_maximum(float value) const {
    for (int step = 16; step > 0; step /= 2) value = fmaxf(value, __shfl_xor_sync(0xffffffffU, value, step));
    if (thread_ % 32 == 0) shared_.maxima[thread_ / 32] = value;
    __syncthreads();
    float highest = shared_.maxima[0];
    for (const float one : shared_.maxima) highest = fmaxf(highest, one);
    __syncthreads();
    return highest;
  }

  /// Fills keys and shares; a thread reads and writes its own pages alone.
  __device__ void rank() const {
    for (int g = 0; g < args_.group; ++g) {
      float* const estimates = estimates_ + int64_t{g} * args_.max_pages;
      float highest = -__builtin_inff(), top = highest, bottom = highest;  // of all; of the finite, the last negated
      for_own([&](int i) {
        const float estimate = estimates[i] = page_ranking::sanitized(estimates[i]);
        highest = fmaxf(highest, estimate);
        if (!page_ranking::is_finite(estimate)) return;
        top = fmaxf(top, estimate);
        bottom = fmaxf(bottom, -estimate);
      });
      highest = block_maximum(highest);
      const float lowest = -block_maximum(bottom);
      page_ranking::Spread spread(lowest, block_maximum(top));
      Wide total = 0, count = 0, sum = 0, squares = 0;
      for_own([&](int i) {
        total += page_ranking::weight_of(estimates[i], highest);
        if (!page_ranking::is_finite(estimates[i])) return;
        const uint64_t place = spread.whole_place_of(estimates[i]);
        ++count;
        sum += place;
        squares += place * place;
      });
      total = block_sum(total);
      count = block_sum(count);
      sum = block_sum(sum);
      squares = block_sum(squares);
      if (count > 0) spread.set_moments(count, sum, squares);
      const double units = page_ranking::units_per_weight(total);
      for_own([&](int i) {
        const Wide share = page_ranking::share_of(page_ranking::weight_of(estimates[i], highest), units);
        const uint32_t key = page_ranking::descending_key(spread.standing_of(estimates[i]));
        shares_[i] = (g == 0 ? 0 : shares_[i]) + share / static_cast<Wide>(args_.group);
        keys_[i] = g == 0 ? key : min(keys_[i], key);
      });
    }
  }

  /// Whether so many pages beside the forced ones, of that share, end the list.
  __device__ bool is_end(unsigned count, Wide share) const {
    const int64_t all = at_.num_forced() + count;
    return all >= at_.most || (all >= args_.rule.least_pages && page_ranking::is_enough(args_.rule, share, outside_));
  }

  /// Leaves in shared_.prefix the key of the last page taken and in last_tie that page; nothing taken: is_done.
  __device__ void find() {
    Wide outside = 0;
    for_own([&](int i) { outside += is_forced(i) ? 0 : shares_[i]; });
    outside_ = block_sum(outside);
    if (thread_ == 0) {
      shared_.share = 0;
      shared_.count = shared_.prefix = 0;
      shared_.is_done = is_end(0, 0);
    }
    __syncthreads();
    if (shared_.is_done) return;
    for (int shift = 24; shift >= 0; shift -= 8) {
      for (int bin = thread_; bin < 256; bin += kChooseThreads) {
        shared_.bin_counts[bin] = 0;
        shared_.bin_shares[bin] = 0;
      }
      __syncthreads();
      const uint32_t prefix = shared_.prefix;
      for_own([&](int i) {
        const uint32_t above = shift == 24 ? 0 : keys_[i] >> (shift + 8);
        if (is_forced(i) || above != prefix) return;
        atomicAdd(&shared_.bin_counts[keys_[i] >> shift & 255U], 1U);
        atomicAdd(&shared_.bin_shares[keys_[i] >> shift & 255U], shares_[i]);
      });
      __syncthreads();
      if (thread_ == 0) {
        unsigned bin = 0;
        while (bin < 255 && !is_end(shared_.count + shared_.bin_counts[bin], shared_.share + shared_.bin_shares[bin])) {
          shared_.count += shared_.bin_counts[bin];
          shared_.share += shared_.bin_shares[bin];
          ++bin;
        }
        shared_.prefix = prefix << 8 | bin;
      }
      __syncthreads();
    }
    if (thread_ == 0) {  // of pages with the last key, those that come first
      for (int i = 0; i < num_pages_ && !is_end(shared_.count, shared_.share); ++i) {
        if (is_forced(i) || keys_[i] != shared_.prefix) continue;
        shared_.count += 1;
        shared_.share += shares_[i];
        shared_.last_tie = i;
      }
    }
    __syncthreads();
  }

  __device__ bool is_taken(int i) const {
    if (is_forced(i)) return true;
    if (shared_.is_done) return false;
    return keys_[i] < shared_.prefix || (keys_[i] == shared_.prefix && i <= shared_.last_tie);
  }

  /// Neighbouring pages a thread, so that the list ascends; the own page comes last.
  __device__ Wide write(int32_t* pages, int32_t* count) const {
    const int per_thread = (num_pages_ + kChooseThreads - 1) / kChooseThreads;
    const int begin = min(thread_ * per_thread, num_pages_), end = min(begin + per_thread, num_pages_);
    unsigned own = 0;
    Wide share = 0;
    for (int i = begin; i < end; ++i) {
      if (!is_taken(i)) continue;
      ++own;
      share += shares_[i];
    }
    shared_.begins[thread_] = own;
    const Wide total = block_sum(share);  // and a barrier
    unsigned at = 0;
    for (int before = 0; before < thread_; ++before) at += shared_.begins[before];
    for (int i = begin; i < end; ++i) {
      if (is_taken(i)) pages[at++] = static_cast<int32_t>(at_.first) + i;
    }
    if (thread_ == kChooseThreads - 1) {
      pages[at] = static_cast<int32_t>(at_.own);
      *count = static_cast<int32_t>(at + 1);
    }
    return total;
  }

  const SelectionArguments& args_;
  page_ranking::Candidates at_;
  Shared& shared_;
  float* estimates_;
  Wide* shares_;
  uint32_t* keys_;
  int num_pages_, thread_;
  Wide outside_ = 0;
};

}  // namespace lockstep::cuda
