// The fixed tree of a sum over ranks, for kernels that hold or fetch one term a rank.
#pragma once

#include <cuda_runtime.h>

namespace lockstep::cuda {

// The largest power of two below n: where the tree of n terms is cut in two, which is the same as rounds of neighbours.
constexpr int left_terms(int n) {
  int left = 1;
  while (2 * left < n) left *= 2;
  return left;
}

__device__ inline float add(float a, float b) { return __fadd_rn(a, b); }
__device__ inline float4 add(float4 a, float4 b) {
  return make_float4(add(a.x, b.x), add(a.y, b.y), add(a.z, b.z), add(a.w, b.w));
}

/// term(First) + … + term(First + N - 1).
template <int First, int N, class Term>
__device__ auto pairwise_tree(const Term& term) {
  if constexpr (N == 1) {
    return term(First);
  } else {
    const auto left = pairwise_tree<First, left_terms(N)>(term);
    return add(left, pairwise_tree<First + left_terms(N), N - left_terms(N)>(term));
  }
}

/// The same for a number known at run time, up to 2^kMostLevels - 1. Complete subtrees wait in a stack, the largest at
/// the bottom; a term closes as many of them as its number has trailing ones.
template <class Value, class Term>
__device__ Value pairwise_tree(int n, const Term& term) {
  constexpr int kMostLevels = 12;
  Value waiting[kMostLevels];
  int depth = 0;
  for (int r = 0; r < n; ++r) {
    Value sum = term(r);
    for (int closed = r; closed % 2 == 1; closed /= 2) sum = add(waiting[--depth], sum);
    waiting[depth++] = sum;
  }
  Value sum = waiting[--depth];
  while (depth > 0) sum = add(waiting[--depth], sum);
  return sum;
}

}  // namespace lockstep::cuda
