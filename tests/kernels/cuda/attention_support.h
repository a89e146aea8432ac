// A ragged batch over scattered pages on device 0: the device's version of tests/kernels/attention_support.h.
#pragma once

#include "core/graph.h"
#include "tests/kernels/attention_support.h"
#include "tests/kernels/cuda/device_support.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

namespace lockstep::test {

/// How a batch is presented; its sequences' results must not depend on it.
struct BatchForm {
  int64_t padding_rows = 0;    // rows without pages, before and behind the others
  int64_t padding_tokens = 1;  // of each of them
  int64_t max_end = 0;         // said to the host, if more than the rows need
  DType out_dtype = DType::kF32;
  int64_t out_gap = 0;  // elements between the results of two tokens
};

/// Sequences with their pages at scattered slots among free ones; all bits of memory that nobody wrote are set (NaN in
/// every type). Keys and values are written by the host, only up to what a call's chunks reach.
class DeviceAttentionRun {
 public:
  DeviceAttentionRun(CudaContext& context, std::vector<AttentionInputs> sequences, uint64_t slot_seed = 1)
      : context_(context), sequences_(std::move(sequences)), shape_(sequences_.front().shape) {
    layout_ = {shape_.page_tokens, shape_.kv_heads, shape_.num_layers, shape_.head_dim, shape_.page_dtype};
    int32_t num_pages = 0;
    for (const AttentionInputs& sequence : sequences_) {
      outputs_.emplace_back(sequence.q.size(), -1.0F);
      slots_.emplace_back();
      for (int64_t p = 0; p * shape_.page_tokens < sequence.num_tokens; ++p) slots_.back().push_back(num_pages++);
    }
    constexpr int32_t kFreeSlots = 3;
    std::vector<int32_t> order(static_cast<size_t>(num_pages + kFreeSlots));
    std::iota(order.begin(), order.end(), 0);
    const std::vector<float> keys = random_floats(num_pages + kFreeSlots, slot_seed);
    std::sort(order.begin(), order.end(),
              [&](int32_t a, int32_t b) { return keys[static_cast<size_t>(a)] < keys[static_cast<size_t>(b)]; });
    for (auto& list : slots_) {
      for (int32_t& slot : list) slot = order[static_cast<size_t>(slot)];
    }
    pool_.assign(static_cast<size_t>((num_pages + kFreeSlots) * layout_.page_bytes()), std::byte{0xff});
  }

  /// Attends for the chunks in one call; the results are kept by sequence and position.
  void step(const std::vector<Chunk>& chunks, const BatchForm& form = {}) {
    const DeviceBatch batch(context_, *this, host_batch(chunks, form), form);
    batch.attend(context_);
    collect(chunks, form, batch.out.floats());
  }

  /// Records the work for `recorded`, then launches it for `chunks`: as many rows and tokens, no more keys in all.
  void step_recorded(const std::vector<Chunk>& recorded, const std::vector<Chunk>& chunks, const BatchForm& form = {}) {
    DeviceBatch batch(context_, *this, host_batch(recorded, form), form);
    batch.attend(context_);  // memory that is kept between calls must be there before
    Graph graph = Graph::capture(context_.stream(), [&] { batch.attend(context_); });
    batch.upload(*this, host_batch(chunks, form));
    graph.launch(context_.stream());
    collect(chunks, form, batch.out.floats());
  }

  /// Stores the keys and values of a chunk.
  void write_only(const Chunk& chunk) {
    const AttentionInputs& in = sequences_[static_cast<size_t>(chunk.sequence)];
    const auto& own = slots_[static_cast<size_t>(chunk.sequence)];
    visit_floating(shape_.page_dtype, [&]<class T>() {
      for (int64_t p = chunk.first; p < chunk.first + chunk.count; ++p) {
        write<T>(in, p, own[static_cast<size_t>(p / shape_.page_tokens)]);
      }
    });
  }

  const std::vector<float>& output(size_t sequence = 0) const { return outputs_[sequence]; }

 private:
  struct HostBatch {
    std::vector<int32_t> token_begin = {0}, first_position, page_begin = {0}, slots, token_row;
    std::vector<float> q;
    int64_t num_single_rows = 0, max_row_tokens = 0, max_end = 0;

    void add_row(int64_t first, int64_t count) {
      token_row.insert(token_row.end(), static_cast<size_t>(count), static_cast<int32_t>(first_position.size()));
      first_position.push_back(static_cast<int32_t>(first));
      token_begin.push_back(token_begin.back() + static_cast<int32_t>(count));
      num_single_rows += count == 1 ? 1 : 0;
      max_row_tokens = std::max(max_row_tokens, count);
    }
    void add_padding(const AttentionShape& shape, int64_t count) {
      constexpr int64_t kStale = 700;  // a position that nothing may be read for
      add_row(kStale, count);
      q.insert(q.end(), static_cast<size_t>(count * shape.heads * shape.head_dim), 1.0F);
      page_begin.push_back(page_begin.back());
    }
  };

  struct DeviceBatch {
    DeviceBatch(CudaContext& context, const DeviceAttentionRun& run, const HostBatch& host, const BatchForm& form)
        : shape(run.shape_),
          pages{nullptr, run.layout_},
          tokens(host.token_begin.back()),
          pool(context, DType::kI32, static_cast<int64_t>(run.pool_.size()) / 4),
          q(context, DType::kF32, run.with_gaps(host.q)),
          token_begin(context, host.token_begin),
          first_position(context, host.first_position),
          page_begin(context, host.page_begin),
          slots(context, host.slots),
          token_row(context, host.token_row),
          out_stride(shape.heads * shape.head_dim + form.out_gap),
          out(context, form.out_dtype, tokens * out_stride) {
      upload(run, host);
      pages.base = static_cast<std::byte*>(pool.data());
      rows.num_rows = static_cast<int64_t>(host.first_position.size());
      rows.num_tokens = tokens;
      rows.token_begin = static_cast<const int32_t*>(token_begin.data());
      rows.first_position = static_cast<const int32_t*>(first_position.data());
      rows.page_begin = static_cast<const int32_t*>(page_begin.data());
      rows.slots = static_cast<const int32_t*>(slots.data());
      rows.token_row = static_cast<const int32_t*>(token_row.data());
      rows.num_single_rows = host.num_single_rows;
      rows.max_row_tokens = host.max_row_tokens;
      rows.max_end = std::max(host.max_end, form.max_end);
    }
    void upload(const DeviceAttentionRun& run, const HostBatch& host) {
      pool.upload(run.pool_.data());
      q.upload(run.with_gaps(host.q).data());
      token_begin.upload(host.token_begin.data());
      first_position.upload(host.first_position.data());
      page_begin.upload(host.page_begin.data());
      slots.upload(host.slots.data());
      token_row.upload(host.token_row.data());
    }
    void attend(const OpContext& context) const {
      const TensorView all = q.view({tokens, shape.heads + 1, shape.head_dim});
      paged_attention(context, all.slice(1, 0, shape.heads), rows, shape.layer, pages, shape.scale(), shape.window,
                      out.view({tokens, out_stride}).slice(1, 0, shape.heads * shape.head_dim));
    }

    AttentionShape shape;
    KvPages pages;
    int64_t tokens;
    DeviceArray pool, q, token_begin, first_position, page_begin, slots, token_row;
    int64_t out_stride;
    DeviceArray out;
    RaggedRows rows;
  };

  HostBatch host_batch(const std::vector<Chunk>& chunks, const BatchForm& form) {
    HostBatch batch;
    for (int64_t i = 0; i < form.padding_rows / 2; ++i) batch.add_padding(shape_, form.padding_tokens);
    for (const Chunk& chunk : chunks) add(batch, chunk);
    for (int64_t i = form.padding_rows / 2; i < form.padding_rows; ++i) batch.add_padding(shape_, form.padding_tokens);
    size_t most_slots = 1;  // an array of the same size for all batches of as many chunks
    for (const auto& own : slots_) most_slots = std::max(most_slots, own.size() * chunks.size());
    batch.slots.resize(most_slots, -1);
    return batch;
  }

  void collect(const std::vector<Chunk>& chunks, const BatchForm& form, const std::vector<float>& result) {
    const int64_t width = shape_.heads * shape_.head_dim, stride = width + form.out_gap;
    auto token = result.begin();
    const auto skip_padding = [&](int64_t count) {
      for (; count > 0; --count, token += stride) {
        EXPECT_TRUE(std::all_of(token, token + width, [](float x) { return x == 0.0F; })) << "padding";
      }
    };
    skip_padding(form.padding_rows / 2 * form.padding_tokens);
    for (const Chunk& chunk : chunks) {
      auto to = outputs_[static_cast<size_t>(chunk.sequence)].begin() + chunk.first * width;
      for (int64_t t = 0; t < chunk.count; ++t, token += stride, to += width) std::copy_n(token, width, to);
    }
    skip_padding((form.padding_rows - form.padding_rows / 2) * form.padding_tokens);
    EXPECT_EQ(token, result.end());
  }

  void add(HostBatch& batch, const Chunk& chunk) {
    const AttentionInputs& in = sequences_[static_cast<size_t>(chunk.sequence)];
    const auto& own = slots_[static_cast<size_t>(chunk.sequence)];
    const int64_t width = shape_.heads * shape_.head_dim, end = chunk.first + chunk.count;
    batch.q.insert(batch.q.end(), in.q.begin() + chunk.first * width, in.q.begin() + end * width);
    batch.add_row(chunk.first, chunk.count);
    batch.max_end = std::max(batch.max_end, end);
    batch.slots.insert(batch.slots.end(), own.begin(),
                       own.begin() + (end + shape_.page_tokens - 1) / shape_.page_tokens);
    batch.page_begin.push_back(static_cast<int32_t>(batch.slots.size()));
    write_only(chunk);
  }

  /// A head of NaN behind each token's: the stride between tokens is free.
  std::vector<float> with_gaps(const std::vector<float>& q) const {
    std::vector<float> spread;
    for (auto token = q.begin(); token != q.end(); token += shape_.heads * shape_.head_dim) {
      spread.insert(spread.end(), token, token + shape_.heads * shape_.head_dim);
      spread.insert(spread.end(), static_cast<size_t>(shape_.head_dim), NAN);
    }
    return spread;
  }

  template <class T>
  void write(const AttentionInputs& in, int64_t position, int32_t slot) {
    const int64_t token = position % shape_.page_tokens;
    for (int64_t h = 0; h < shape_.kv_heads; ++h) {
      std::byte* const page = pool_.data() + slot * layout_.page_bytes();
      T* const k = reinterpret_cast<T*>(page + layout_.k_block(h, shape_.layer));
      T* const v = reinterpret_cast<T*>(page + layout_.v_block(h, shape_.layer));
      for (int64_t d = 0; d < shape_.head_dim; ++d) {
        const auto at = static_cast<size_t>((position * shape_.kv_heads + h) * shape_.head_dim + d);
        k[layout_.k_index(token, d)] = from_float<T>(in.k[at]);
        v[layout_.v_index(token, d)] = from_float<T>(in.v[at]);
      }
    }
  }

  CudaContext& context_;
  std::vector<AttentionInputs> sequences_;
  AttentionShape shape_;
  KvLayout layout_;
  std::vector<std::byte> pool_;
  std::vector<std::vector<int32_t>> slots_;
  std::vector<std::vector<float>> outputs_;
};

}  // namespace lockstep::test
