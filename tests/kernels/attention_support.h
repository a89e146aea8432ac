// A ragged batch over scattered pages, and attention in double, for the tests of kernels/paged_attention.h.
#pragma once

#include "kernels/paged_attention.h"
#include "tests/kernels/op_support.h"

#include <algorithm>
#include <numeric>

namespace lockstep::test {

struct AttentionShape {
  int64_t heads = 4, kv_heads = 2, head_dim = 64, page_tokens = 64;
  DType page_dtype = DType::kF32;
  int64_t window = 0;
  int64_t num_layers = 2, layer = 1;
  float scale() const { return 1.0F / std::sqrt(static_cast<float>(head_dim)); }
};

/// One sequence's queries, keys and values by position.
struct AttentionInputs {
  AttentionInputs(const AttentionShape& s, int64_t tokens, uint64_t seed)
      : shape(s),
        num_tokens(tokens),
        q(random_floats(tokens * s.heads * s.head_dim, seed)),
        k(random_floats(tokens * s.kv_heads * s.head_dim, seed + 1)),
        v(random_floats(tokens * s.kv_heads * s.head_dim, seed + 2)) {}

  AttentionShape shape;
  int64_t num_tokens;
  std::vector<float> q, k, v;
};

/// Rounded to the page dtype, as write_kv does.
inline float as_stored(float value, DType dtype) {
  return visit_floating(dtype, [&]<class T>() { return to_float(from_float<T>(value)); });
}

/// out[position, head, dim] in double; `round_q`: queries as the BF16 dot product reads them.
inline std::vector<double> reference_attention(const AttentionInputs& in, bool round_q = false) {
  const AttentionShape& s = in.shape;
  std::vector<double> out(in.q.size());
  for (int64_t p = 0; p < in.num_tokens; ++p) {
    for (int64_t h = 0; h < s.heads; ++h) {
      const int64_t kv = h / (s.heads / s.kv_heads), q_at = (p * s.heads + h) * s.head_dim;
      const int64_t begin = s.window > 0 ? std::max<int64_t>(0, p - s.window + 1) : 0;
      std::vector<double> weight(static_cast<size_t>(p - begin + 1));
      double highest = -1e300, total = 0.0;
      for (int64_t t = begin; t <= p; ++t) {
        double dot = 0.0;
        for (int64_t d = 0; d < s.head_dim; ++d) {
          float q = in.q[static_cast<size_t>(q_at + d)];
          if (round_q) q = as_stored(q, DType::kBF16);
          dot += static_cast<double>(q) *
                 as_stored(in.k[static_cast<size_t>((t * s.kv_heads + kv) * s.head_dim + d)], s.page_dtype);
        }
        weight[static_cast<size_t>(t - begin)] = dot * s.scale();
        highest = std::max(highest, dot * s.scale());
      }
      for (double& w : weight) total += w = std::exp(w - highest);
      for (int64_t d = 0; d < s.head_dim; ++d) {
        double sum = 0.0;
        for (int64_t t = begin; t <= p; ++t) {
          sum += weight[static_cast<size_t>(t - begin)] *
                 as_stored(in.v[static_cast<size_t>((t * s.kv_heads + kv) * s.head_dim + d)], s.page_dtype);
        }
        out[static_cast<size_t>(q_at + d)] = sum / total;
      }
    }
  }
  return out;
}

/// A run of one sequence's tokens to compute in one call.
struct Chunk {
  int64_t sequence, first, count;
};

/// A page pool full of NaN, sequences with their pages at scattered slots, and batched calls over chunks of them.
class AttentionRun {
 public:
  /// `slot_seed` decides where pages lie.
  AttentionRun(const OpContext& context, std::vector<AttentionInputs> sequences, uint64_t slot_seed = 1)
      : context_(context), sequences_(std::move(sequences)), shape_(sequences_.front().shape) {
    pages_.layout = {shape_.page_tokens, shape_.kv_heads, shape_.num_layers, shape_.head_dim, shape_.page_dtype};
    int32_t num_pages = 0;
    for (const AttentionInputs& sequence : sequences_) {
      outputs_.emplace_back(sequence.q.size(), -1.0F);
      slots_.emplace_back();
      for (int64_t p = 0; p * shape_.page_tokens < sequence.num_tokens; ++p) slots_.back().push_back(num_pages++);
    }
    std::vector<int32_t> order(static_cast<size_t>(num_pages + 3));  // three slots stay free
    std::iota(order.begin(), order.end(), 0);
    const std::vector<float> keys = random_floats(num_pages + 3, slot_seed);
    std::sort(order.begin(), order.end(),
              [&](int32_t a, int32_t b) { return keys[static_cast<size_t>(a)] < keys[static_cast<size_t>(b)]; });
    for (auto& list : slots_) {
      for (int32_t& slot : list) slot = order[static_cast<size_t>(slot)];
    }
    pool_ = Buffer((num_pages + 3) * pages_.layout.page_bytes());
    std::memset(pool_.data(), 0xff, static_cast<size_t>(pool_.bytes()));  // NaN in every type
    pages_.base = static_cast<std::byte*>(pool_.data());
  }

  /// Writes keys and values of the chunks and attends, in one call each.
  void step(const std::vector<Chunk>& chunks) {
    std::vector<int32_t> token_begin = {0}, first_position, page_begin = {0}, slots;
    std::vector<float> q, k, v;
    for (const Chunk& chunk : chunks) {
      const AttentionInputs& in = sequences_[static_cast<size_t>(chunk.sequence)];
      const auto append = [&](std::vector<float>& to, const std::vector<float>& from, int64_t width) {
        to.insert(to.end(), from.begin() + chunk.first * width, from.begin() + (chunk.first + chunk.count) * width);
      };
      append(q, in.q, shape_.heads * shape_.head_dim);
      append(k, in.k, shape_.kv_heads * shape_.head_dim);
      append(v, in.v, shape_.kv_heads * shape_.head_dim);
      token_begin.push_back(token_begin.back() + static_cast<int32_t>(chunk.count));
      first_position.push_back(static_cast<int32_t>(chunk.first));
      const auto& own = slots_[static_cast<size_t>(chunk.sequence)];
      const int64_t used = (chunk.first + chunk.count + shape_.page_tokens - 1) / shape_.page_tokens;
      slots.insert(slots.end(), own.begin(), own.begin() + used);
      page_begin.push_back(static_cast<int32_t>(slots.size()));
    }
    const int64_t tokens = token_begin.back();
    const RaggedRows rows = {static_cast<int64_t>(chunks.size()),
                             tokens,
                             token_begin.data(),
                             first_position.data(),
                             page_begin.data(),
                             slots.data()};
    const Shape kv_shape = {tokens, shape_.kv_heads, shape_.head_dim};
    write_kv(context_, TensorView(k.data(), DType::kF32, kv_shape), TensorView(v.data(), DType::kF32, kv_shape), rows,
             shape_.layer, pages_);
    std::vector<float> out(q.size());
    paged_attention(context_, TensorView(q.data(), DType::kF32, {tokens, shape_.heads, shape_.head_dim}), rows,
                    shape_.layer, pages_, shape_.scale(), shape_.window,
                    TensorView(out.data(), DType::kF32, {tokens, shape_.heads * shape_.head_dim}));
    auto from = out.begin();
    for (const Chunk& chunk : chunks) {
      const int64_t width = shape_.heads * shape_.head_dim;
      std::copy(from, from + chunk.count * width,
                outputs_[static_cast<size_t>(chunk.sequence)].begin() + chunk.first * width);
      from += chunk.count * width;
    }
  }

  const std::vector<float>& output(size_t sequence = 0) const { return outputs_[sequence]; }
  const KvPages& pages() const { return pages_; }
  const std::byte* page(size_t sequence, int64_t number) const {
    return pages_.base + slots_[sequence][static_cast<size_t>(number)] * pages_.layout.page_bytes();
  }

 private:
  const OpContext& context_;
  std::vector<AttentionInputs> sequences_;
  AttentionShape shape_;
  KvPages pages_;
  Buffer pool_;
  std::vector<std::vector<int32_t>> slots_;
  std::vector<std::vector<float>> outputs_;
};

}  // namespace lockstep::test
