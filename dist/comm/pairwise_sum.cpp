#include "dist/comm/pairwise_sum.h"

#include <algorithm>
#include <array>
#include <bit>

namespace lockstep {
namespace {

constexpr int64_t kBlock = 512;              // two blocks a level of recursion stay in L1
constexpr int64_t kThreadGrain = 16 * 1024;  // 64 KiB a piece: below that waking a thread costs more than it saves

// Rounds of neighbours are the same tree as: the largest power of two below N on the left, the rest on the right.
template <size_t N>
float tree(const float* const* parts, int64_t i) {
  if constexpr (N == 1) {
    return parts[0][i];
  } else {
    constexpr size_t left = std::bit_floor(N - 1);
    const float first = tree<left>(parts, i);
    return first + tree<N - left>(parts + left, i);
  }
}

template <size_t N>
void sum_fixed(const float* const* parts, int64_t begin, int64_t end, float* out) {
  std::array<const float*, N> local;
  std::copy_n(parts, N, local.begin());
#pragma GCC ivdep  // out may be a part itself: then element i depends on element i only
  for (int64_t i = begin; i < end; ++i) out[i] = tree<N>(local.data(), i);
}

using SumFixed = void (*)(const float* const*, int64_t, int64_t, float*);
constexpr std::array<SumFixed, 9> kSumFixed = {nullptr,      sum_fixed<1>, sum_fixed<2>, sum_fixed<3>, sum_fixed<4>,
                                               sum_fixed<5>, sum_fixed<6>, sum_fixed<7>, sum_fixed<8>};

// More parts than the fixed bodies take: halves of the tree by blocks. `out` is indexed from 0.
void sum_block(std::span<const float* const> parts, int64_t begin, int64_t length, float* out) {
  if (parts.size() < kSumFixed.size()) {
    std::array<const float*, kSumFixed.size()> shifted{};
    for (size_t p = 0; p < parts.size(); ++p) shifted[p] = parts[p] + begin;
    kSumFixed[parts.size()](shifted.data(), 0, length, out);
    return;
  }
  std::array<float, kBlock> left, right;
  const size_t split = std::bit_floor(parts.size() - 1);
  sum_block(parts.first(split), begin, length, left.data());
  sum_block(parts.subspan(split), begin, length, right.data());
  for (int64_t i = 0; i < length; ++i) out[i] = left[static_cast<size_t>(i)] + right[static_cast<size_t>(i)];
}

void sum_range(std::span<const float* const> parts, int64_t begin, int64_t end, float* out) {
  if (parts.size() < kSumFixed.size()) return kSumFixed[parts.size()](parts.data(), begin, end, out);
  for (int64_t at = begin; at < end; at += kBlock) sum_block(parts, at, std::min(kBlock, end - at), out + at);
}

}  // namespace

void pairwise_sum(std::span<const float* const> parts, int64_t count, float* out, ThreadPool* threads) {
  if (threads == nullptr || count < 2 * kThreadGrain) return sum_range(parts, 0, count, out);
  threads->parallel_for(count, kThreadGrain, [&](int64_t begin, int64_t end) { sum_range(parts, begin, end, out); });
}

}  // namespace lockstep
