// One attention tile over `Vec`: pages in ascending order, online softmax with one rescale per page.
// Included by one file per instruction-set level.
#pragma once

#include "kernels/cpu/attention/blocks.h"
#include "kernels/cpu/attention/coded_page.h"

namespace lockstep::cpu {
namespace {

/// Tokens [first, last) of a page.
struct Range {
  int64_t first, last;
};

template <class Method>
class TileWalk {
  using T = typename Method::Element;
  using Query = typename Method::Query;

 public:
  TileWalk(const AttentionTile& tile, const Scratch& at)
      : tile_(tile),
        coded_(tile, at),
        num_queries_(tile.num_tokens * tile.group),
        num_pairs_((tile.head_dim + 1) / 2),
        padded_dim_(round_to_vectors(tile.head_dim)),
        padded_tokens_(round_to_vectors(tile.page_tokens)) {
    queries_ = reinterpret_cast<Query*>(tile.scratch + at.queries);
    scores_ = reinterpret_cast<float*>(tile.scratch + at.scores);
    sums_ = reinterpret_cast<float*>(tile.scratch + at.sums);
    totals_ = reinterpret_cast<float*>(tile.scratch + at.totals);
    maxima_ = reinterpret_cast<float*>(tile.scratch + at.maxima);
    keys_ = reinterpret_cast<T*>(tile.scratch + at.keys);
    values_ = reinterpret_cast<float*>(tile.scratch + at.values);
  }

  void run() {
    pack_queries();
    for (int64_t i = 0; i < num_queries_ * padded_dim_; ++i) sums_[i] = 0.0F;
    for (int64_t i = 0; i < num_queries_ * Vec::kWidth; ++i) totals_[i] = 0.0F;
    for (int64_t i = 0; i < num_queries_; ++i) maxima_[i] = -__builtin_inff();
    const int64_t first_page = visible(0).first / tile_.page_tokens;
    const int64_t last_page = (visible(tile_.num_tokens - 1).last - 1) / tile_.page_tokens;
    if (tile_.selected != nullptr) {
      for (int64_t i = 0; i < tile_.num_selected; ++i) {
        if (tile_.selected[i] < first_page) continue;
        attend_page(tile_.selected[i], i + 1 < tile_.num_selected ? tile_.selected[i + 1] : last_page, last_page);
      }
    } else {
      for (int64_t page = first_page; page <= last_page; ++page) attend_page(page, page + 1, last_page);
    }
    switch (tile_.out_dtype) {
      case DType::kF32: return write_out(static_cast<float*>(tile_.out));
      case DType::kF16: return write_out(static_cast<Half*>(tile_.out));
      case DType::kBF16: return write_out(static_cast<BFloat16*>(tile_.out));
      case DType::kI32: break;
    }
    throw_not_floating(tile_.out_dtype);
  }

 private:
  static int64_t round_to_vectors(int64_t n) { return (n + Vec::kWidth - 1) / Vec::kWidth * Vec::kWidth; }

  /// Positions that query token t sees.
  Range visible(int64_t t) const {
    const int64_t last = tile_.first_position + t + 1;
    return {tile_.window > 0 && last > tile_.window ? last - tile_.window : 0, last};
  }
  /// The same within `page`; empty if first >= last.
  Range visible_in(int64_t page, int64_t t) const {
    const int64_t begin = page * tile_.page_tokens;
    const Range all = visible(t);
    return {all.first > begin ? all.first - begin : 0,
            all.last - begin < tile_.page_tokens ? all.last - begin : tile_.page_tokens};
  }

  void pack_queries() {
    for (int64_t t = 0; t < tile_.num_tokens; ++t) {
      for (int64_t g = 0; g < tile_.group; ++g) {
        const float* q = tile_.q + t * tile_.q_token_stride + g * tile_.head_dim;
        Query* out = queries_ + t * tile_.group + g;
        for (int64_t j = 0; j < num_pairs_; ++j) {
          out[j * num_queries_] = Method::pack(q[2 * j], 2 * j + 1 < tile_.head_dim ? q[2 * j + 1] : 0.0F);
        }
        if (tile_.coded.open != nullptr) coded_.pack_query(t * tile_.group + g, q);
      }
    }
  }

  /// `next`: the page after this one, to fetch ahead.
  void attend_page(int64_t page, int64_t next, int64_t own_page) {
    const bool coded = tile_.coded.open != nullptr;
    if (coded && page < own_page) return attend_coded(page, next < own_page ? next : page);
    attend_full(page, coded ? tile_.coded.open : block_of(page));
  }

  /// Of an entry of the row's slots.
  const std::byte* block_of(int64_t entry) const { return tile_.places.block_of(tile_.slots[entry], tile_.kv_head); }
  const std::byte* keys_of(int64_t page) const {
    return block_of(page + (tile_.coded.splits_first && page > 0 ? 1 : 0));
  }

  /// A page before the one of all queries; of a window, the later tokens may not see it.
  void attend_coded(int64_t page, int64_t next) {
    const CodedPages& pages = tile_.coded;
    const bool first = page == 0 && pages.splits_first;
    const std::byte* key_slot = keys_of(page);
    const std::byte* value_slot = first ? block_of(1) : key_slot;
    const CodedBlock& keys = first ? pages.first_keys : pages.keys;
    const CodedBlock& values = first ? pages.first_values : pages.values;
    int64_t num_tokens = tile_.num_tokens;
    while (visible_in(page, num_tokens - 1).first >= tile_.page_tokens) --num_tokens;
    const int64_t num_queries = num_tokens * tile_.group;
    const bool more = next != page;
    const std::byte* upcoming = keys_of(next);
    coded_.score(key_slot, keys, num_queries, scores_, padded_tokens_,
                 {upcoming + pages.keys.block, more ? pages.keys.bytes : 0});
    coded_.begin_values(value_slot, values);
    for (int64_t query = 0; query < num_queries; ++query) {
      const Range range = visible_in(page, query / tile_.group);
      soften(query, range);
      coded_.pack_weights(query, values, scores_ + query * padded_tokens_, range.first / Vec::kWidth * Vec::kWidth,
                          round_to_vectors(range.last));
    }
    coded_.weigh(value_slot, values, num_queries, sums_, padded_dim_,
                 {upcoming + pages.values.block, more ? pages.values.bytes : 0});
  }

  void attend_full(int64_t page, const std::byte* start) {
    const Range earliest = visible_in(page, 0), latest = visible_in(page, tile_.num_tokens - 1);
    const Range any = {earliest.first, latest.last};     // seen by some query
    const Range common = {latest.first, earliest.last};  // seen by every query, if not empty
    const int64_t first_vector = any.first / Vec::kWidth, last_vector = round_to_vectors(any.last) / Vec::kWidth;
    Keys<T> keys = whole_vectors(reinterpret_cast<const T*>(start));
    keys.data += first_vector * 2 * Vec::kWidth;
    score<Method>(keys, queries_, num_queries_, scores_ + first_vector * Vec::kWidth, padded_tokens_,
                  last_vector - first_vector);
    for (int64_t t = 0; t < tile_.num_tokens; ++t) {
      const Range range = visible_in(page, t);
      if (range.first >= range.last) continue;
      for (int64_t g = 0; g < tile_.group; ++g) soften(t * tile_.group + g, range);
    }
    weigh_values(reinterpret_cast<const T*>(start + tile_.v_offset), page, any, common);
  }

  /// The K block as it lies in the page, or a padded copy where its tokens do not fill whole vectors.
  Keys<T> whole_vectors(const T* k) {
    if (padded_tokens_ == tile_.page_tokens) return {k, 2 * tile_.page_tokens, num_pairs_};
    const size_t row_bytes = static_cast<size_t>(2 * tile_.page_tokens) * sizeof(T);
    const size_t pad_bytes = static_cast<size_t>(2 * (padded_tokens_ - tile_.page_tokens)) * sizeof(T);
    for (int64_t j = 0; j < num_pairs_; ++j) {
      T* row = keys_ + j * 2 * padded_tokens_;
      __builtin_memcpy(row, k + j * 2 * tile_.page_tokens, row_bytes);
      __builtin_memset(row + 2 * tile_.page_tokens, 0, pad_bytes);
    }
    return {keys_, 2 * padded_tokens_, num_pairs_};
  }

  /// Turns a query's scores of one page into probabilities relative to the new running maximum.
  void soften(int64_t query, Range range) {
    float* row = scores_ + query * padded_tokens_;
    const int64_t begin = range.first / Vec::kWidth * Vec::kWidth, end = round_to_vectors(range.last);
    const Vec::F scale = Vec::set1(tile_.scale);
    Vec::F highest = Vec::set1(maxima_[query]);
    for (int64_t i = begin; i < end; i += Vec::kWidth) {
      const int first = static_cast<int>(range.first > i ? range.first - i : 0);
      const int last = static_cast<int>(range.last - i < Vec::kWidth ? range.last - i : Vec::kWidth);
      const Vec::F x = Vec::keep(Vec::mul(Vec::load(row + i), scale), first, last);
      Vec::store(row + i, x);
      highest = Vec::max(x, highest);
    }
    // A NaN among them makes every probability, and so the output, NaN whichever it is taken for.
    const float maximum = Bytes::highest(highest);
    // All scores -inf so far: subtract 0, so that probabilities are 0 rather than NaN.
    const Vec::F base = Vec::set1(maximum == -__builtin_inff() ? 0.0F : maximum);
    float* totals = totals_ + query * Vec::kWidth;
    if (maximum != maxima_[query]) raise_maximum(query, maximum, base);
    Vec::F total = Vec::load(totals);
    for (int64_t i = begin; i < end; i += Vec::kWidth) {
      const Vec::F p = exp(Vec::sub(Vec::load(row + i), base));
      Vec::store(row + i, p);
      total = Vec::add(total, p);
    }
    Vec::store(totals, total);
  }

  /// What a query has summed up so far becomes relative to a higher maximum.
  void raise_maximum(int64_t query, float maximum, Vec::F base) {
    const Vec::F rescale = exp(Vec::sub(Vec::set1(maxima_[query]), base));
    float* totals = totals_ + query * Vec::kWidth;
    Vec::store(totals, Vec::mul(Vec::load(totals), rescale));
    float* sums = sums_ + query * padded_dim_;
    for (int64_t i = 0; i < padded_dim_; i += Vec::kWidth) {
      Vec::store(sums + i, Vec::mul(Vec::load(sums + i), rescale));
    }
    maxima_[query] = maximum;
  }

  void weigh_values(const T* v, int64_t page, Range any, Range common) {
    // Widened once where many queries read it, and where rows do not fill whole vectors.
    constexpr int64_t kManyQueries = 3 * Vec::kMaxRows;
    if (padded_dim_ == tile_.head_dim && (sizeof(T) == sizeof(float) || num_queries_ < kManyQueries)) {
      return weigh_values(v, tile_.head_dim, page, common);
    }
    for (int64_t t = any.first; t < any.last; ++t) {
      for_each_vector(tile_.head_dim, [&](int64_t i, auto lanes) {
        store(values_ + t * padded_dim_ + i, load(v + t * tile_.head_dim + i, lanes), All{});
      });
    }
    weigh_values(values_, padded_dim_, page, common);
  }

  /// Tokens that every query sees go through full blocks; the edges (window before, causal after) token by token.
  template <class V>
  void weigh_values(const V* values, int64_t stride, int64_t page, Range common) {
    if (common.first >= common.last) common.last = common.first;
    const auto add = [&](int64_t query, int64_t count, Range range) {
      if (range.first >= range.last) return;
      const float* weights = scores_ + query * padded_tokens_ + range.first;
      add_values<V>({values + range.first * stride, stride, weights, padded_tokens_, range.last - range.first}, count,
                    sums_ + query * padded_dim_, padded_dim_, padded_dim_ / Vec::kWidth);
    };
    const auto smaller = [](int64_t a, int64_t b) { return a < b ? a : b; };
    const auto larger = [](int64_t a, int64_t b) { return a > b ? a : b; };
    for (int64_t t = 0; t < tile_.num_tokens; ++t) {
      const Range range = visible_in(page, t);
      add(t * tile_.group, tile_.group, {range.first, smaller(range.last, common.first)});
    }
    add(0, num_queries_, common);
    for (int64_t t = 0; t < tile_.num_tokens; ++t) {
      const Range range = visible_in(page, t);
      add(t * tile_.group, tile_.group, {larger(range.first, common.last), range.last});
    }
  }

  template <class Out>
  void write_out(Out* out) const {
    for (int64_t query = 0; query < num_queries_; ++query) {
      const Vec::F factor = Vec::set1(1.0F / sum_lanes(Vec::load(totals_ + query * Vec::kWidth)));
      const float* sums = sums_ + query * padded_dim_;
      Out* row = out + query / tile_.group * tile_.out_token_stride + query % tile_.group * tile_.head_dim;
      for_each_vector(tile_.head_dim,
                      [&](int64_t i, auto lanes) { store(row + i, Vec::mul(Vec::load(sums + i), factor), lanes); });
    }
  }

  const AttentionTile& tile_;
  CodedPage coded_;
  int64_t num_queries_, num_pairs_, padded_dim_, padded_tokens_;
  Query* queries_;
  float* scores_;
  float* sums_;
  float* totals_;
  float* maxima_;
  T* keys_;
  float* values_;
};

/// `Bf16Method` multiplies BF16 pages.
template <class Bf16Method>
void attend(const AttentionTile& tile) {
  const Scratch at(tile.num_tokens * tile.group, tile.head_dim, tile.page_tokens, tile.coded.open != nullptr);
  switch (tile.page_dtype) {
    case DType::kF32: return TileWalk<FloatScores<float>>(tile, at).run();
    case DType::kF16: return TileWalk<FloatScores<Half>>(tile, at).run();
    case DType::kBF16: return TileWalk<Bf16Method>(tile, at).run();
    case DType::kI32: break;
  }
  throw_not_floating(tile.page_dtype);
}

}  // namespace
}  // namespace lockstep::cpu
