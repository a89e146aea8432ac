// A row's weight by bins that descend in the order of sampling: mass and number of tokens, as sums over all bins up to
// and including one. Where a sum crosses a threshold, the token that crosses it is in that bin.
#pragma once

#include "kernels/cuda/sample/row.cuh"

namespace lockstep::cuda {

/// In shared memory.
template <int kBins>
struct SampleBins {
  Wide mass[kBins];
  unsigned count[kBins];

  __device__ void add(int bin, uint64_t weight) {
    atomicAdd(&count[bin], 1U);
    if (weight > 0) atomicAdd(&mass[bin], static_cast<Wide>(weight));
  }
  __device__ uint64_t mass_before(int bin) const { return bin == 0 ? 0 : mass[bin - 1]; }
  __device__ unsigned count_before(int bin) const { return bin == 0 ? 0 : count[bin - 1]; }
  __device__ unsigned count_of(int bin) const { return count[bin] - count_before(bin); }
};

/// In shared memory: one element a warp.
struct ScanSpace {
  Wide mass[32];
  unsigned count[32];
};

template <int kThreads, int kBins>
__device__ inline void clear(SampleBins<kBins>& bins) {
  __syncthreads();  // the last use of the memory is over
  for (int bin = static_cast<int>(threadIdx.x); bin < kBins; bin += kThreads) {
    bins.mass[bin] = 0;
    bins.count[bin] = 0;
  }
  __syncthreads();
}

/// Turns the bins' own sums into sums of all bins so far.
template <int kThreads, int kBins>
__device__ inline void accumulate(SampleBins<kBins>& bins, ScanSpace& space) {
  constexpr int kOwn = kBins / kThreads;
  static_assert(kOwn * kThreads == kBins);
  const int first = static_cast<int>(threadIdx.x) * kOwn;
  const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  __syncthreads();
  Wide own_mass = 0;
  unsigned own_count = 0;
  for (int bin = first; bin < first + kOwn; ++bin) {
    own_mass = bins.mass[bin] += own_mass;
    own_count = bins.count[bin] += own_count;
  }
  Wide mass = own_mass;  // of the warp's threads up to this one
  unsigned count = own_count;
#pragma unroll
  for (unsigned step = 1; step < 32; step *= 2) {
    const Wide other_mass = __shfl_up_sync(kAllLanes, mass, step);
    const unsigned other_count = __shfl_up_sync(kAllLanes, count, step);
    if (lane < step) continue;
    mass += other_mass;
    count += other_count;
  }
  if (lane == 31) {
    space.mass[warp] = mass;
    space.count[warp] = count;
  }
  __syncthreads();
  mass -= own_mass;
  count -= own_count;
  for (unsigned before = 0; before < warp; ++before) {
    mass += space.mass[before];
    count += space.count[before];
  }
  for (int bin = first; bin < first + kOwn; ++bin) {
    bins.mass[bin] += mass;
    bins.count[bin] += count;
  }
  __syncthreads();
}

/// The bin in which the sum (of tokens, or of mass) first exceeds `threshold`, for every thread; some bin does.
template <int kThreads, bool kByCount, int kBins>
__device__ inline int first_bin_beyond(const SampleBins<kBins>& bins, uint64_t threshold, int* found) {
  for (int bin = static_cast<int>(threadIdx.x); bin < kBins; bin += kThreads) {
    const uint64_t before = kByCount ? bins.count_before(bin) : bins.mass_before(bin);
    const uint64_t with = kByCount ? bins.count[bin] : bins.mass[bin];
    if (before <= threshold && threshold < with) *found = bin;  // one thread does
  }
  __syncthreads();
  const int bin = *found;
  __syncthreads();
  return bin;
}

}  // namespace lockstep::cuda
