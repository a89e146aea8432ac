// Sequences whose pages have made-up summaries, and the ranking of pages in double, for the tests of
// kernels/select_pages.h on every backend.
#pragma once

#include "kernels/kv_codes.h"
#include "kernels/page_summaries.h"
#include "kernels/select_pages.h"
#include "tests/kernels/op_support.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

namespace lockstep::test {

struct SelectionShape {
  int64_t group = 4, kv_heads = 2, head_dim = 64, page_tokens = 16;
  KvFormat format = KvFormat::kFull;
  int64_t window = 0;
  int64_t num_layers = 2, layer = 1;

  int64_t heads() const { return group * kv_heads; }
  float scale() const { return 1.0F / std::sqrt(static_cast<float>(head_dim)); }
  KvLayout layout() const {
    KvLayout out{page_tokens, kv_heads, num_layers, head_dim, DType::kBF16, format};
    out.has_summaries = format == KvFormat::kFull;
    return out;
  }
};

/// Mean and deviation of every channel of a page's keys.
struct ChannelSummaries {
  std::vector<double> mean, deviation;
};

/// A row of a batch: the last token of a sequence of so many.
struct SelectionRow {
  int64_t num_tokens;
  bool is_sparse = true;
};

/// The pages of some sequences at scattered slots with their entries in the table, all other bytes set; rows of one
/// token each.
class SelectionInputs {
 public:
  SelectionInputs(const SelectionShape& s, std::vector<SelectionRow> rows, uint64_t seed, uint64_t slot_seed = 1)
      : shape(s), rows_(std::move(rows)) {
    const KvLayout layout = shape.layout();
    for (size_t r = 0; r < rows_.size(); ++r) {
      const int64_t entries = layout.slots_for(rows_[r].num_tokens);
      page_begin.push_back(page_begin.back() + static_cast<int32_t>(entries));
      token_begin.push_back(static_cast<int32_t>(r) + 1);
      first_position.push_back(static_cast<int32_t>(rows_[r].num_tokens - 1));
      is_sparse.push_back(rows_[r].is_sparse ? 1 : 0);
    }
    const int64_t num_slots = page_begin.back() + 3;
    slots.resize(static_cast<size_t>(num_slots));
    std::iota(slots.begin(), slots.end(), 0);
    const std::vector<float> keys = random_floats(num_slots, slot_seed);
    std::sort(slots.begin(), slots.end(),
              [&](int32_t a, int32_t b) { return keys[static_cast<size_t>(a)] < keys[static_cast<size_t>(b)]; });
    slots.resize(static_cast<size_t>(page_begin.back()));
    pool.assign(static_cast<size_t>(num_slots * layout.page_bytes()), std::byte{0xff});  // NaN in every type
    summaries_.resize(rows_.size());
    table.assign(static_cast<size_t>(num_slots * summary_slot_bytes(layout)), std::byte{0xff});
    for (size_t r = 0; r < rows_.size(); ++r) fill(r, seed);
    const CpuContext context;
    index_pages(context, filled, shape.layer, pages());
    q = random_floats(static_cast<int64_t>(rows_.size()) * shape.heads() * shape.head_dim, seed + 7, 3.0F);
  }

  KvPages pages() {
    KvPages out{pool.data(), shape.layout()};
    out.summaries = table.data();
    out.num_summaries = static_cast<int64_t>(table.size()) / summary_slot_bytes(out.layout);
    return out;
  }
  int64_t num_rows() const { return static_cast<int64_t>(rows_.size()); }
  int64_t own_page(int64_t row) const { return first_position[static_cast<size_t>(row)] / shape.page_tokens; }
  int64_t most_tokens() const {
    int64_t most = 0;
    for (const SelectionRow& row : rows_) most = std::max(most, row.num_tokens);
    return most;
  }
  const ChannelSummaries& summary(int64_t row, int64_t head, int64_t page) const {
    return summaries_[static_cast<size_t>(row)][static_cast<size_t>(page * shape.kv_heads + head)];
  }

  /// The means in the entry of a page of a format without split pages.
  Half* means(int64_t row, int64_t head, int64_t page) {
    const int32_t slot = slots[static_cast<size_t>(page_begin[static_cast<size_t>(row)] + page)];
    const KvPages all = pages();
    return reinterpret_cast<Half*>(summary_entries(all, shape.layer, head) + slot * summary_entry_bytes(all.layout));
  }

  /// The rank of each page before the own one: the highest standing of its estimate for a query head.
  std::vector<double> ranks(int64_t row, int64_t head) const {
    std::vector<double> best(static_cast<size_t>(own_page(row) - first_page(row)), -1e300);
    for (int64_t g = 0; g < shape.group; ++g) {
      const std::vector<double> all = estimates(row, head, g);
      const double n = static_cast<double>(all.size());
      const double mean = std::accumulate(all.begin(), all.end(), 0.0) / n;
      double square = 0.0;
      for (const double e : all) square += (e - mean) * (e - mean) / n;
      for (size_t i = 0; i < best.size(); ++i) best[i] = std::max(best[i], (all[i] - mean) / std::sqrt(square));
    }
    return best;
  }
  /// ln of each page's share for one query head.
  std::vector<double> log_shares(int64_t row, int64_t head, int64_t g) const {
    std::vector<double> all = estimates(row, head, g);
    const double highest = *std::max_element(all.begin(), all.end());
    double total = 0.0;
    for (const double e : all) total += std::exp(e - highest);
    for (double& e : all) e -= highest + std::log(total);
    return all;
  }
  std::vector<double> estimates(int64_t row, int64_t head, int64_t g) const {
    const float* query = q.data() + ((row * shape.kv_heads + head) * shape.group + g) * shape.head_dim;
    std::vector<double> out;
    for (int64_t page = first_page(row); page < own_page(row); ++page) {
      const ChannelSummaries& at = summary(row, head, page);
      double sum = 0.0;
      for (int64_t c = 0; c < shape.head_dim; ++c) {
        const double x = static_cast<double>(shape.scale()) * query[c];
        const double spread = x * at.deviation[static_cast<size_t>(c)];
        sum += x * at.mean[static_cast<size_t>(c)] + 0.5 * spread * spread;
      }
      out.push_back(sum);
    }
    return out;
  }
  int64_t first_page(int64_t row) const {
    const int64_t position = first_position[static_cast<size_t>(row)];
    return shape.window > 0 && position >= shape.window ? (position - shape.window + 1) / shape.page_tokens : 0;
  }

  SelectionShape shape;
  std::vector<int32_t> token_begin = {0}, first_position, page_begin = {0}, slots, is_sparse;
  std::vector<std::byte> pool, table;
  std::vector<IndexedPage> filled;
  std::vector<float> q;

 private:
  /// The nearest number of four significant bits, of two the greater, within the table's range.
  static double deviation_in_table(double deviation) {
    int exponent = 0;
    const double mantissa = std::frexp(deviation, &exponent);  // in [1/2, 1)
    const double rounded = std::ldexp(std::floor(mantissa * 16.0 + 0.5), exponent - 4);
    return std::min(std::max(rounded, 0x1p-20), 3840.0);
  }
  void fill(size_t row, uint64_t seed) {
    const KvLayout layout = shape.layout();
    const int64_t num_pages = rows_[row].num_tokens / shape.page_tokens;  // filled ones
    const int32_t* const own = slots.data() + page_begin[row];
    // A function of the sequence's length, so that it is the same in another batch.
    uint64_t state = seed * 1000003 + static_cast<uint64_t>(rows_[row].num_tokens);
    for (int64_t page = 0; page < num_pages; ++page) {
      const bool is_split = layout.splits_first_page() && page == 0;
      const int64_t entry = page + (layout.splits_first_page() && page > 0 ? 1 : 0);
      std::byte* const slot = pool.data() + own[entry] * layout.page_bytes();
      filled.push_back({own[entry], page == 0});
      for (int64_t head = 0; head < shape.kv_heads; ++head) {
        const std::vector<float> random = random_floats(4 * shape.head_dim, ++state);
        const int64_t bits = is_split ? 8 : layout.k_bits(shape.layer);
        summaries_[row].push_back(layout.is_coded()
                                      ? write_codes(slot + layout.k_block(head, shape.layer), bits, random)
                                      : write_full(slot + layout.summary_block(head, shape.layer), random));
      }
    }
  }
  ChannelSummaries write_full(std::byte* block, const std::vector<float>& random) const {
    ChannelSummaries out;
    Half* const at = reinterpret_cast<Half*>(block);
    for (int64_t c = 0; c < shape.head_dim; ++c) {
      at[c] = to_half(random[static_cast<size_t>(c)]);
      Half& deviation = at[shape.layout().coded_head_dim() + c];
      deviation = to_half(std::abs(random[static_cast<size_t>(shape.head_dim + c)]));
      out.mean.push_back(to_float(at[c]));
      out.deviation.push_back(deviation_in_table(to_float(deviation)));
    }
    return out;
  }
  ChannelSummaries write_codes(std::byte* block, int64_t bits, const std::vector<float>& random) const {
    ChannelSummaries out;
    const KeyCodes at(shape.layout(), bits);
    const auto code = [&](int64_t c, int kind) {  // 0 to 255
      return static_cast<uint8_t>(
          static_cast<int64_t>((random[static_cast<size_t>(kind * shape.head_dim + c)] + 3.0F) * 42.0F));
    };
    for (int64_t c = 0; c < shape.head_dim; ++c) {
      const auto byte_at = [&](int64_t place) -> uint8_t& { return reinterpret_cast<uint8_t*>(block + place)[c]; };
      Half& offset = reinterpret_cast<Half*>(block + at.offsets)[c];
      offset = to_half(random[static_cast<size_t>(c)]);
      byte_at(at.scales) = static_cast<uint8_t>((bits == 8 ? 90 : 120) + code(c, 1) % 32);
      byte_at(at.stds) = code(c, 2);
      if (bits == 4) byte_at(at.means) = code(c, 3);
      const double scale = scale_of_code(byte_at(at.scales));
      const double mean = to_float(offset) + (bits == 4 ? scale * byte_at(at.means) / 16 : 0.0);
      out.mean.push_back(to_float(to_half(static_cast<float>(mean))));
      out.deviation.push_back(deviation_in_table(scale * byte_at(at.stds) / (bits == 8 ? 2 : 32)));
    }
    return out;
  }

  std::vector<SelectionRow> rows_;
  std::vector<std::vector<ChannelSummaries>> summaries_;  // [row][page * kv_heads + head]
};

/// Lists by [row * kv_heads + head]; `is_dense` where the count was -1.
struct SelectionResult {
  std::vector<std::vector<int32_t>> lists;
  std::vector<bool> is_dense;
  SelectionTotals totals;
  bool operator==(const SelectionResult& other) const { return lists == other.lists && is_dense == other.is_dense; }
};

inline SelectionResult result_of(const SelectionInputs& in, int64_t capacity, const int32_t* pages,
                                 const int32_t* counts, const SelectionTotals& totals) {
  SelectionResult out;
  for (int64_t i = 0; i < in.num_rows() * in.shape.kv_heads; ++i) {
    out.is_dense.push_back(counts[i] == -1);
    out.lists.emplace_back(pages + i * capacity, pages + i * capacity + std::max(counts[i], 0));
  }
  out.totals = totals;
  return out;
}

/// Checks every list against the rule and the ranking in double; ranks closer than `slack` may change places.
inline void expect_ranking(const SelectionInputs& in, const SparseRule& rule, const SelectionResult& result,
                           double slack = 1e-3) {
  for (int64_t row = 0; row < in.num_rows(); ++row) {
    for (int64_t head = 0; head < in.shape.kv_heads; ++head) {
      const auto at = static_cast<size_t>(row * in.shape.kv_heads + head);
      const int64_t first = in.first_page(row), own = in.own_page(row), candidates = own - first + 1;
      const int64_t most = most_selected_pages(rule, candidates);
      const int64_t seen = in.first_position[static_cast<size_t>(row)] + 1;
      const bool is_short = (in.shape.window > 0 ? std::min(seen, in.shape.window) : seen) < rule.dense_below;
      const bool is_dense = in.is_sparse[static_cast<size_t>(row)] == 0 || is_short || most == candidates;
      ASSERT_EQ(result.is_dense[at], is_dense) << "row " << row;
      if (is_dense) continue;
      const std::vector<int32_t>& list = result.lists[at];
      ASSERT_TRUE(std::is_sorted(list.begin(), list.end()));
      ASSERT_EQ(std::adjacent_find(list.begin(), list.end()), list.end());
      if (rule.mass == 1.0) {
        ASSERT_EQ(static_cast<int64_t>(list.size()), most);
      }
      ASSERT_LE(static_cast<int64_t>(list.size()), most);
      const std::vector<double> ranks = in.ranks(row, head);
      double worst_taken = 1e300, best_left = -1e300;
      for (int64_t page = first; page <= own; ++page) {
        const bool is_taken = std::binary_search(list.begin(), list.end(), static_cast<int32_t>(page));
        if (page < rule.sink_pages || page >= own - rule.recent_pages) {
          ASSERT_TRUE(is_taken) << "page " << page << " of " << own;
        } else if (is_taken) {
          worst_taken = std::min(worst_taken, ranks[static_cast<size_t>(page - first)]);
        } else {
          best_left = std::max(best_left, ranks[static_cast<size_t>(page - first)]);
        }
      }
      EXPECT_GT(worst_taken, best_left - slack) << "row " << row << ", head " << head;
    }
  }
}

/// Rows of all kinds: long, barely long enough, short, not sparse.
inline std::vector<SelectionRow> mixed_rows(int64_t page_tokens) {
  return {{page_tokens * 41 + 3},
          {page_tokens * 30},
          {page_tokens * 33 + 1, false},
          {page_tokens * 6},
          {1},
          {page_tokens * 25 + page_tokens / 2}};
}

/// Small enough for the emulation, with every part of it at work.
inline SparseRule small_rule() {
  return {.ratio = 0.3, .dense_below = 100, .dense_layers = 0, .sink_pages = 1, .recent_pages = 2, .least_pages = 5};
}

inline std::vector<SelectionShape> selection_shapes() {
  std::vector<SelectionShape> shapes;
  for (const KvFormat format : {KvFormat::kFull, KvFormat::kKv8, KvFormat::kK8v4, KvFormat::kKv4}) {
    shapes.push_back({.group = 4, .kv_heads = 2, .head_dim = 64, .format = format});
    shapes.push_back({.group = 7, .kv_heads = 1, .head_dim = 20, .format = format});
    shapes.push_back({.group = 1, .kv_heads = 3, .head_dim = 128, .format = format, .window = 20 * 16 + 5});
  }
  return shapes;
}

inline std::string words(const SelectionShape& s) {
  return "format " + std::to_string(static_cast<int>(s.format)) + ", group " + std::to_string(s.group) + ", head " +
         std::to_string(s.head_dim) + ", window " + std::to_string(s.window);
}

}  // namespace lockstep::test
