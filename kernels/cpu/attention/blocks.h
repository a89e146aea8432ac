// The two inner products of attention, in blocks of (queries x vectors) that live in registers. Over `Vec`.
#pragma once

#include "kernels/cpu/vector/parts.h"

namespace lockstep::cpu {
namespace {

/// Multiplies in F32 whatever the pages hold.
template <class T>
struct FloatScores {
  using Element = T;
  struct Query {
    float even, odd;
  };
  struct Factor {
    Vec::F even, odd;
  };
  static Query pack(float even, float odd) { return {even, odd}; }
  static Vec::Pairs load(const T* k) { return Vec::load_pairs(k); }
  static Factor broadcast(const Query* q) { return {Vec::set1(q->even), Vec::set1(q->odd)}; }
  static Vec::F multiply_add(Vec::F sum, const Vec::Pairs& k, const Factor& q) {
    return Vec::fma(q.odd, k.odd, Vec::fma(q.even, k.even, sum));
  }
};

/// A K block: [pairs of dimensions][tokens][2], `pair_stride` elements from one pair of dimensions to the next.
template <class T>
struct Keys {
  const T* data;
  int64_t pair_stride;
  int64_t num_pairs;
};

/// scores[r][t] = q_r · k_t for kRows queries and kColumns vectors of tokens.
template <class Method, int kRows, int kColumns>
void score_block(Keys<typename Method::Element> keys, const typename Method::Query* q, int64_t q_stride, float* scores,
                 int64_t scores_stride) {
  Vec::F sum[kRows][kColumns];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int c = 0; c < kColumns; ++c) sum[r][c] = Vec::zero();
  }
  const typename Method::Element* k = keys.data;
  for (int64_t j = 0; j < keys.num_pairs; ++j, k += keys.pair_stride, q += q_stride) {
    decltype(Method::load(k)) vectors[kColumns];
#pragma GCC unroll 8
    for (int c = 0; c < kColumns; ++c) vectors[c] = Method::load(k + c * 2 * Vec::kWidth);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const auto factor = Method::broadcast(q + r);
#pragma GCC unroll 8
      for (int c = 0; c < kColumns; ++c) sum[r][c] = Method::multiply_add(sum[r][c], vectors[c], factor);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int c = 0; c < kColumns; ++c) Vec::store(scores + r * scores_stride + c * Vec::kWidth, sum[r][c]);
  }
}

/// Scores of all queries against `num_vectors` vectors of tokens.
template <class Method>
void score(Keys<typename Method::Element> keys, const typename Method::Query* q, int64_t num_queries, float* scores,
           int64_t scores_stride, int64_t num_vectors) {
  while (num_vectors > 0) {
    const int columns = num_vectors >= Vec::kMaxColumns ? Vec::kMaxColumns : 1;
    for (int64_t r = 0; r < num_queries; r += Vec::kMaxRows) {
      const int64_t left = num_queries - r;
      with_count<Vec::kMaxRows>(static_cast<int>(left < Vec::kMaxRows ? left : Vec::kMaxRows), [&](auto rows) {
        float* out = scores + r * scores_stride;
        if (columns == 1) {
          score_block<Method, rows.value, 1>(keys, q + r, num_queries, out, scores_stride);
        } else {
          score_block<Method, rows.value, Vec::kMaxColumns>(keys, q + r, num_queries, out, scores_stride);
        }
      });
    }
    keys.data += columns * 2 * Vec::kWidth;
    scores += columns * Vec::kWidth;
    num_vectors -= columns;
  }
}

/// A run of `count` tokens of a V block, [token][dimension] with whole vectors of dimensions, and their probabilities.
template <class T>
struct WeightedValues {
  const T* values;
  int64_t value_stride;
  const float* weights;  // [queries][tokens]
  int64_t weight_stride;
  int64_t count;
};

/// sums[r] += Σ weights[r][t] · values[t] in ascending t, for kRows queries and kColumns vectors of dimensions.
template <class T, int kRows, int kColumns>
void value_block(WeightedValues<T> in, float* sums, int64_t sums_stride) {
  Vec::F sum[kRows][kColumns];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int c = 0; c < kColumns; ++c) sum[r][c] = Vec::load(sums + r * sums_stride + c * Vec::kWidth);
  }
  for (int64_t t = 0; t < in.count; ++t) {
    Vec::F v[kColumns];
#pragma GCC unroll 8
    for (int c = 0; c < kColumns; ++c) v[c] = Vec::load(in.values + t * in.value_stride + c * Vec::kWidth);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const Vec::F weight = Vec::set1(in.weights[r * in.weight_stride + t]);
#pragma GCC unroll 8
      for (int c = 0; c < kColumns; ++c) sum[r][c] = Vec::fma(weight, v[c], sum[r][c]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int c = 0; c < kColumns; ++c) Vec::store(sums + r * sums_stride + c * Vec::kWidth, sum[r][c]);
  }
}

/// The same for all queries and `num_vectors` vectors of dimensions.
template <class T>
void add_values(WeightedValues<T> in, int64_t num_queries, float* sums, int64_t sums_stride, int64_t num_vectors) {
  while (num_vectors > 0) {
    const int columns = num_vectors >= Vec::kMaxColumns ? Vec::kMaxColumns : 1;
    for (int64_t r = 0; r < num_queries; r += Vec::kMaxRows) {
      const int64_t left = num_queries - r;
      WeightedValues<T> block = in;
      block.weights += r * in.weight_stride;
      with_count<Vec::kMaxRows>(static_cast<int>(left < Vec::kMaxRows ? left : Vec::kMaxRows), [&](auto rows) {
        if (columns == 1) {
          value_block<T, rows.value, 1>(block, sums + r * sums_stride, sums_stride);
        } else {
          value_block<T, rows.value, Vec::kMaxColumns>(block, sums + r * sums_stride, sums_stride);
        }
      });
    }
    in.values += columns * Vec::kWidth;
    sums += columns * Vec::kWidth;
    num_vectors -= columns;
  }
}

}  // namespace
}  // namespace lockstep::cpu
