// Sequences over sealed and open pages: writes, seals and attends as an engine does, for the tests of coded formats.
#pragma once

#include "kernels/seal_pages.h"
#include "tests/kernels/attention_support.h"
#include "tests/kernels/host_pages.h"

#include <optional>

namespace lockstep::test {

struct SealedShape {
  AttentionShape attention;
  KvFormat format = KvFormat::kKv8;
  LayerSet wide_keys = {};
};

/// `count` independent normal numbers.
inline std::vector<float> normal_floats(int64_t count, uint64_t seed) {
  std::vector<float> out(static_cast<size_t>(count));
  uint64_t state = seed * 0x9e3779b97f4a7c15ULL + 1;
  const auto uniform = [&] {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (static_cast<double>(state >> 11) + 0.5) * 0x1p-53;
  };
  for (float& value : out) {
    const double radius = std::sqrt(-2.0 * std::log(uniform()));
    value = static_cast<float>(radius * std::cos(6.283185307179586 * uniform()));
  }
  return out;
}

/// A key or value decoded from the bytes of a page as kernels/kv_codes.h describes them, and by nothing else.
class CodeReader {
 public:
  CodeReader(const KvLayout& layout, const std::byte* block, int64_t bits)
      : tokens_(layout.page_tokens),
        dims_((layout.head_dim + 7) / 8 * 8),
        bits_(bits),
        bytes_(reinterpret_cast<const uint8_t*>(block)),
        behind_(bytes_ + tokens_ * dims_ * bits / 8) {}

  double key(int64_t t, int64_t d) const {
    const double offset = half(behind_ + 2 * d), scale = key_scale(behind_[2 * dims_ + d]);
    if (bits_ == 8) return offset + scale * (bytes_[d / 4 * 4 * tokens_ + 4 * t + d % 4] - 128);
    const int both = bytes_[d / 8 * 4 * tokens_ + 4 * t + d % 4];
    return offset + scale * (d % 8 < 4 ? both % 16 : both / 16);
  }
  double value(int64_t t, int64_t d) const {
    const double scale = half(behind_ + 2 * t);
    if (bits_ == 8) {
      const int code = bytes_[t / 4 * 4 * dims_ + 4 * d + t % 4];
      return scale * (code < 128 ? code : code - 256);
    }
    const int both = bytes_[t / 8 * 4 * dims_ + 4 * d + t % 4];
    return half(behind_ + 2 * tokens_ + 2 * t) + scale * (t % 8 < 4 ? both % 16 : both / 16);
  }
  double mean(int64_t d) const {
    const double offset = half(behind_ + 2 * d);
    return bits_ == 8 ? offset : offset + key_scale(behind_[2 * dims_ + d]) * behind_[3 * dims_ + d] / 16;
  }
  double deviation(int64_t d) const {
    const double scale = key_scale(behind_[2 * dims_ + d]);
    return bits_ == 8 ? scale * behind_[3 * dims_ + d] / 2 : scale * behind_[4 * dims_ + d] / 32;
  }

 private:
  static double half(const uint8_t* at) {
    const int bits = at[0] + 256 * at[1], exponent = bits / 1024 % 32, mantissa = bits % 1024;
    const double magnitude = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
    return bits >= 32768 ? -magnitude : magnitude;
  }
  static double key_scale(int code) { return std::ldexp(1.0 + code % 8 / 8.0, code / 8 - 20); }

  int64_t tokens_, dims_, bits_;
  const uint8_t* bytes_;
  const uint8_t* behind_;
};

/// Pages full of NaN at scattered slots; open pages are overwritten by NaN once they are sealed.
class SealedRun {
 public:
  SealedRun(const OpContext& context, const SealedShape& shape, std::vector<AttentionInputs> sequences,
            uint64_t slot_seed = 1)
      : context_(context), shape_(shape.attention), sequences_(std::move(sequences)) {
    const AttentionShape& s = shape_;
    pages_.layout = {s.page_tokens, s.kv_heads, s.num_layers, s.head_dim, s.page_dtype};
    pages_.layout.format = shape.format;
    pages_.layout.wide_keys = shape.wide_keys;
    int64_t num_slots = 0, num_open = 0;
    for (const AttentionInputs& in : sequences_) {
      outputs_.emplace_back(in.q.size(), -1.0F);
      slots_.emplace_back(static_cast<size_t>(pages_.layout.slots_for(in.num_tokens)));
      open_.emplace_back(static_cast<size_t>((in.num_tokens + s.page_tokens - 1) / s.page_tokens));
      num_slots += static_cast<int64_t>(slots_.back().size());
      num_open += static_cast<int64_t>(open_.back().size());
    }
    scatter(slots_, num_slots + 2, slot_seed);
    scatter(open_, num_open + 1, slot_seed + 100);
    pool_ = Buffer((num_slots + 2) * pages_.layout.page_bytes());
    open_pool_ = Buffer((num_open + 1) * pages_.open_layout().page_bytes());
    std::memset(pool_.data(), 0xff, static_cast<size_t>(pool_.bytes()));
    std::memset(open_pool_.data(), 0xff, static_cast<size_t>(open_pool_.bytes()));
    pages_.base = static_cast<std::byte*>(pool_.data());
    pages_.open_base = static_cast<std::byte*>(open_pool_.data());
  }

  /// Writes the chunks' keys and values, seals the pages that they fill and attends. `lists`: for every chunk and KV
  /// head the pages to read; nullopt: all.
  using Lists = std::vector<std::optional<std::vector<int32_t>>>;
  void step(const std::vector<Chunk>& chunks, const Lists& lists = {}) {
    const KvLayout& layout = pages_.layout;
    const int64_t page_tokens = layout.page_tokens;
    std::vector<int32_t> token_begin = {0}, first_position, page_begin = {0}, slots, open_begin = {0}, open_slots;
    std::vector<int32_t> filled_open, filled_keys, filled_values;
    std::vector<float> q, k, v;
    for (const Chunk& chunk : chunks) {
      const size_t sequence = static_cast<size_t>(chunk.sequence);
      const AttentionInputs& in = sequences_[sequence];
      const auto append = [&](std::vector<float>& to, const std::vector<float>& from, int64_t width) {
        to.insert(to.end(), from.begin() + chunk.first * width, from.begin() + (chunk.first + chunk.count) * width);
      };
      append(q, in.q, shape_.heads * shape_.head_dim);
      append(k, in.k, shape_.kv_heads * shape_.head_dim);
      append(v, in.v, shape_.kv_heads * shape_.head_dim);
      const int64_t end = chunk.first + chunk.count;
      token_begin.push_back(token_begin.back() + static_cast<int32_t>(chunk.count));
      first_position.push_back(static_cast<int32_t>(chunk.first));
      slots.insert(slots.end(), slots_[sequence].begin(), slots_[sequence].begin() + layout.slots_for(end));
      page_begin.push_back(static_cast<int32_t>(slots.size()));
      for (int64_t page = chunk.first / page_tokens; page * page_tokens < end; ++page) {
        open_slots.push_back(open_[sequence][static_cast<size_t>(page)]);
        if ((page + 1) * page_tokens > end) continue;
        const auto [key_slot, value_slot] = slots_of(sequence, page);
        filled_open.push_back(open_slots.back());
        filled_keys.push_back(key_slot);
        filled_values.push_back(value_slot);
      }
      open_begin.push_back(static_cast<int32_t>(open_slots.size()));
    }
    const int64_t tokens = token_begin.back();
    RaggedRows rows;
    rows.num_rows = static_cast<int64_t>(chunks.size());
    rows.num_tokens = tokens;
    rows.token_begin = token_begin.data();
    rows.first_position = first_position.data();
    rows.page_begin = page_begin.data();
    rows.slots = slots.data();
    rows.open_begin = open_begin.data();
    rows.open_slots = open_slots.data();
    const Shape kv_shape = {tokens, shape_.kv_heads, shape_.head_dim};
    write_kv(context_, TensorView(k.data(), DType::kF32, kv_shape), TensorView(v.data(), DType::kF32, kv_shape), rows,
             shape_.layer, pages_);
    FilledPages filled;
    filled.count = static_cast<int64_t>(filled_open.size());
    filled.open_slots = filled_open.data();
    filled.key_slots = filled_keys.data();
    filled.value_slots = filled_values.data();
    if (layout.is_coded()) seal_pages(context_, filled, shape_.layer, pages_);
    std::vector<float> out(q.size());
    int64_t capacity = 1;
    for (const auto& list : lists) capacity = std::max(capacity, list ? static_cast<int64_t>(list->size()) : 0);
    std::vector<int32_t> listed(lists.size() * static_cast<size_t>(capacity), -1), counts;
    for (size_t i = 0; i < lists.size(); ++i) {
      counts.push_back(lists[i] ? static_cast<int32_t>(lists[i]->size()) : -1);
      if (lists[i]) std::copy(lists[i]->begin(), lists[i]->end(), listed.begin() + static_cast<int64_t>(i) * capacity);
    }
    const PageSelection selection = {capacity, listed.data(), counts.data()};
    paged_attention(context_, TensorView(q.data(), DType::kF32, {tokens, shape_.heads, shape_.head_dim}), rows,
                    shape_.layer, pages_, shape_.scale(), shape_.window,
                    TensorView(out.data(), DType::kF32, {tokens, shape_.heads * shape_.head_dim}),
                    lists.empty() ? nullptr : &selection);
    const int64_t width = shape_.heads * shape_.head_dim;
    auto from = out.begin();
    for (const Chunk& chunk : chunks) {
      std::copy(from, from + chunk.count * width,
                outputs_[static_cast<size_t>(chunk.sequence)].begin() + chunk.first * width);
      from += chunk.count * width;
    }
    // What was sealed is never read again.
    const int64_t open_bytes = pages_.open_layout().page_bytes();
    for (const int32_t slot : filled_open) {
      if (layout.is_coded()) std::memset(pages_.open_base + slot * open_bytes, 0xff, static_cast<size_t>(open_bytes));
    }
  }

  /// Moves every second slot of a sequence below page `end`, all sealed, to the host, NaN staying behind.
  void move_to_host(size_t sequence, int64_t end) {
    const int64_t num_slots = pool_.bytes() / pages_.layout.page_bytes();
    const auto count = static_cast<size_t>(pages_.layout.slots_for(end * pages_.layout.page_tokens));
    host_.emplace(pages_.layout, static_cast<int64_t>(count));
    for (size_t i = 1; i < count; i += 2) {
      int32_t& slot = slots_[sequence][i];
      std::byte* const page = pages_.base + slot * pages_.layout.page_bytes();
      slot = static_cast<int32_t>(num_slots) + host_->add(pages_.base, slot);
      std::memset(page, 0xff, static_cast<size_t>(pages_.layout.page_bytes()));
    }
    host_->join(pages_, num_slots);
  }

  const std::vector<float>& output(size_t sequence = 0) const { return outputs_[sequence]; }
  const KvPages& pages() const { return pages_; }

  CodeReader keys(size_t sequence, int64_t page, int64_t head) const {
    const KvLayout& layout = pages_.layout;
    const bool first = page == 0 && layout.splits_first_page();
    return {layout, slot(slots_of(sequence, page).first) + layout.k_block(head, shape_.layer),
            first ? 8 : layout.k_bits(shape_.layer)};
  }
  CodeReader values(size_t sequence, int64_t page, int64_t head) const {
    const KvLayout& layout = pages_.layout;
    const bool first = page == 0 && layout.splits_first_page();
    const std::byte* at = slot(slots_of(sequence, page).second);
    return {layout, at + (first ? layout.k_block(head, shape_.layer) : layout.v_block(head, shape_.layer)),
            first ? 8 : layout.v_bits()};
  }

  /// Attention in double over what the pages decode to, for query tokens [first, first + count) of a sequence whose
  /// sealed pages are in place: out[token - first][head][dim].
  std::vector<double> reference(size_t sequence, int64_t first, int64_t count) const {
    const AttentionInputs& in = sequences_[sequence];
    const AttentionShape& s = shape_;
    const int64_t group = s.heads / s.kv_heads;
    std::vector<double> out;
    for (int64_t p = first; p < first + count; ++p) {
      const int64_t begin = s.window > 0 ? std::max<int64_t>(0, p - s.window + 1) : 0, own = p / s.page_tokens;
      for (int64_t h = 0; h < s.heads; ++h) {
        const int64_t kv = h / group;
        const auto element = [&](const std::vector<float>& from, int64_t t, int64_t d) -> double {
          return as_stored(from[static_cast<size_t>((t * s.kv_heads + kv) * s.head_dim + d)], s.page_dtype);
        };
        std::vector<double> weights;
        double highest = -1e300, total = 0.0;
        for (int64_t t = begin; t <= p; ++t) {
          const int64_t page = t / s.page_tokens;
          double dot = 0.0;
          const CodeReader codes = keys(sequence, page, kv);
          for (int64_t d = 0; d < s.head_dim; ++d) {
            dot += in.q[static_cast<size_t>((p * s.heads + h) * s.head_dim + d)] *
                   (page < own ? codes.key(t % s.page_tokens, d) : element(in.k, t, d));
          }
          weights.push_back(dot * s.scale());
          highest = std::max(highest, weights.back());
        }
        for (double& w : weights) total += w = std::exp(w - highest);
        for (int64_t d = 0; d < s.head_dim; ++d) {
          double sum = 0.0;
          for (int64_t t = begin; t <= p; ++t) {
            const int64_t page = t / s.page_tokens;
            sum += weights[static_cast<size_t>(t - begin)] *
                   (page < own ? values(sequence, page, kv).value(t % s.page_tokens, d) : element(in.v, t, d));
          }
          out.push_back(sum / total);
        }
      }
    }
    return out;
  }

 private:
  std::pair<int32_t, int32_t> slots_of(size_t sequence, int64_t page) const {
    const std::vector<int32_t>& slots = slots_[sequence];
    if (!pages_.layout.splits_first_page()) return {slots[static_cast<size_t>(page)], slots[static_cast<size_t>(page)]};
    if (page == 0) return {slots[0], slots[1]};
    return {slots[static_cast<size_t>(page + 1)], slots[static_cast<size_t>(page + 1)]};
  }
  const std::byte* slot(int32_t index) const { return pages_.base + index * pages_.layout.page_bytes(); }

  static void scatter(std::vector<std::vector<int32_t>>& lists, int64_t count, uint64_t seed) {
    std::vector<int32_t> order(static_cast<size_t>(count));
    std::iota(order.begin(), order.end(), 0);
    const std::vector<float> keys = random_floats(count, seed);
    std::sort(order.begin(), order.end(),
              [&](int32_t a, int32_t b) { return keys[static_cast<size_t>(a)] < keys[static_cast<size_t>(b)]; });
    size_t next = 0;
    for (auto& list : lists) {
      for (int32_t& entry : list) entry = order[next++];
    }
  }

  const OpContext& context_;
  AttentionShape shape_;
  std::vector<AttentionInputs> sequences_;
  KvPages pages_;
  Buffer pool_, open_pool_;
  std::optional<HostPages> host_;
  std::vector<std::vector<int32_t>> slots_, open_;
  std::vector<std::vector<float>> outputs_;
};

/// Root mean square of the difference over that of `expected`.
inline double relative_error(const std::vector<float>& out, const std::vector<double>& expected) {
  double difference = 0.0, size = 0.0;
  for (size_t i = 0; i < expected.size(); ++i) {
    difference += (out[i] - expected[i]) * (out[i] - expected[i]);
    size += expected[i] * expected[i];
  }
  return std::sqrt(difference / size);
}

}  // namespace lockstep::test
