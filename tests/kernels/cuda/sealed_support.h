// Sequences over pages of any format on device 0, sealed by the CPU's body, and attention over them in double.
#pragma once

#include "core/graph.h"
#include "core/pinned_buffer.h"
#include "kernels/seal_pages.h"
#include "tests/kernels/attention_support.h"
#include "tests/kernels/cuda/decoded_pages.h"
#include "tests/kernels/cuda/device_support.h"
#include "tests/kernels/host_pages.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

namespace lockstep::test {

struct SealedForm {
  KvFormat format = KvFormat::kKv8;
  LayerSet wide_keys = {};
};

/// Lists of pages by chunk of the batch and KV head; a chunk without lists reads all pages.
using PageLists = std::vector<std::vector<std::vector<int32_t>>>;

struct SealedBatchForm {
  int64_t padding_rows = 0;  // in front, of `padding_tokens` each
  int64_t padding_tokens = 1;
  int64_t max_end = 0;
  bool is_recorded = false;  // single tokens: by a graph that was recorded while every row was padding
};

/// All pages of the sequences, written and sealed beforehand. A call sees of the open pages only those that its rows
/// write to, up to their last token; all other memory is NaN.
class SealedRun {
 public:
  SealedRun(CudaContext& context, std::vector<AttentionInputs> sequences, const SealedForm& form,
            uint64_t slot_seed = 1)
      : context_(context), sequences_(std::move(sequences)), shape_(sequences_.front().shape) {
    layout_ = {shape_.page_tokens, shape_.kv_heads, shape_.num_layers, shape_.head_dim,
               shape_.page_dtype,  form.format,     form.wide_keys};
    open_ = KvPages{nullptr, layout_}.open_layout();
    int64_t num_slots = 0, num_open = 0;
    for (const AttentionInputs& in : sequences_) {
      outputs_.emplace_back(in.q.size(), -1.0F);
      num_slots += layout_.slots_for(in.num_tokens);
      num_open += pages_of(in.num_tokens);
    }
    const auto order = [](int64_t count, uint64_t seed) {
      std::vector<int32_t> slots(static_cast<size_t>(count));
      std::iota(slots.begin(), slots.end(), 0);
      const std::vector<float> keys = random_floats(count, seed);
      std::sort(slots.begin(), slots.end(),
                [&](int32_t a, int32_t b) { return keys[static_cast<size_t>(a)] < keys[static_cast<size_t>(b)]; });
      return slots;
    };
    const std::vector<int32_t> places = order(num_slots + 2, slot_seed),
                               open_places = order(num_open + 1, slot_seed + 1);
    pool_.assign(places.size() * static_cast<size_t>(layout_.page_bytes()), std::byte{0xff});
    open_pool_.assign(open_places.size() * static_cast<size_t>(open_.page_bytes()), std::byte{0xff});
    auto next = places.begin(), next_open = open_places.begin();
    for (const AttentionInputs& in : sequences_) {
      slots_.emplace_back(next, next + layout_.slots_for(in.num_tokens));
      next += layout_.slots_for(in.num_tokens);
      open_slots_.emplace_back(next_open, next_open + pages_of(in.num_tokens));
      next_open += pages_of(in.num_tokens);
    }
    for (size_t s = 0; s < sequences_.size(); ++s) seal(s);
  }

  void step(const std::vector<Chunk>& chunks, const SealedBatchForm& form = {}, const PageLists& lists = {}) {
    HostBatch host = batch_of(chunks, form, lists);
    const int64_t tokens = host.rows.num_tokens, width = shape_.heads * shape_.head_dim;
    DeviceArray pool(context_, DType::kI32, static_cast<int64_t>(pool_.size()) / 4);
    DeviceArray open(context_, DType::kI32, static_cast<int64_t>(host.open_pool.size()) / 4);
    pool.upload(pool_.data());
    open.upload(host.open_pool.data());
    const DeviceArray q(context_, DType::kF32, host.q), out(context_, DType::kF32, tokens * width);
    std::vector<DeviceArray> arrays;
    for (const int32_t** const pointer : host.pointers()) {
      arrays.emplace_back(context_, host.array_of(pointer));
      *pointer = static_cast<const int32_t*>(arrays.back().data());
    }
    KvPages pages = {static_cast<std::byte*>(pool.data()), layout_,
                     layout_.is_coded() ? static_cast<std::byte*>(open.data()) : nullptr};
    PinnedBuffer host_memory;
    if (host_) {
      host_memory = PinnedBuffer(static_cast<int64_t>(host_->bytes().size()), Device::cuda(0));
      std::memcpy(host_memory.data(), host_->bytes().data(), host_->bytes().size());
      host_->join(pages, num_slots(), host_memory.as<std::byte>());
    }
    const auto attend = [&] {
      paged_attention(context_, q.view({tokens, shape_.heads, shape_.head_dim}), host.rows, shape_.layer, pages,
                      shape_.scale(), shape_.window, out.view({tokens, width}),
                      lists.empty() ? nullptr : &host.selection);
    };
    if (!form.is_recorded) {
      attend();
    } else {
      const auto upload = [&](bool is_padding) {
        size_t i = 0;
        for (const std::vector<int32_t>* const array : host.arrays()) {
          const std::vector<int32_t> zeros(array->size());
          arrays[i++].upload(is_padding ? zeros.data() : array->data());
        }
      };
      upload(true);
      attend();  // memory that is kept between calls must be there before
      Graph graph = Graph::capture(context_.stream(), attend);
      upload(false);
      graph.launch(context_.stream());
    }
    collect(chunks, form, out.floats());
  }

  /// The same by the CPU's body.
  void step_on_cpu(const std::vector<Chunk>& chunks, const PageLists& lists = {}) {
    HostBatch host = batch_of(chunks, {}, lists);
    for (const int32_t** const pointer : host.pointers()) *pointer = host.array_of(pointer).data();
    const int64_t tokens = host.rows.num_tokens, width = shape_.heads * shape_.head_dim;
    std::vector<float> out(host.q.size());
    const CpuContext cpu;
    KvPages pages{pool_.data(), layout_, layout_.is_coded() ? host.open_pool.data() : nullptr};
    if (host_) host_->join(pages, num_slots());
    paged_attention(cpu, TensorView(host.q.data(), DType::kF32, {tokens, shape_.heads, shape_.head_dim}), host.rows,
                    shape_.layer, pages, shape_.scale(), shape_.window,
                    TensorView(out.data(), DType::kF32, {tokens, width}), lists.empty() ? nullptr : &host.selection);
    collect(chunks, {}, out);
  }

  /// Moves every second slot of the first sequence below page `end` to the host, NaN staying behind.
  void move_to_host(int64_t end) {
    const auto count = static_cast<size_t>(layout_.slots_for(end * shape_.page_tokens));
    host_.emplace(layout_, static_cast<int64_t>(count));
    for (size_t i = 1; i < count; i += 2) {
      int32_t& slot = slots_[0][i];
      const auto page = pool_.begin() + slot * layout_.page_bytes();
      slot = static_cast<int32_t>(num_slots()) + host_->add(pool_.data(), slot);
      std::fill(page, page + layout_.page_bytes(), std::byte{0xff});
    }
  }

  const std::vector<float>& output(size_t sequence = 0) const { return outputs_[sequence]; }
  void forget() {
    for (auto& output : outputs_) std::fill(output.begin(), output.end(), -1.0F);
  }

  /// The greatest difference of `position`'s output from attention in double over what the pages hold, rounded to
  /// `operands` (of tensor cores; F32: not at all). `lists`: pages by KV head, none: all.
  double worst_error(int64_t position, DType operands, size_t sequence = 0,
                     const std::vector<std::vector<int32_t>>& lists = {}) const {
    const AttentionInputs& in = sequences_[sequence];
    const int64_t group = shape_.heads / shape_.kv_heads,
                  begin = shape_.window > 0 ? std::max<int64_t>(0, position - shape_.window + 1) : 0;
    double worst = 0.0;
    for (int64_t h = 0; h < shape_.heads; ++h) {
      const int64_t kv = h / group, at = (position * shape_.heads + h) * shape_.head_dim;
      std::vector<int64_t> seen;
      for (int64_t p = begin; p <= position; ++p) {
        const auto page = static_cast<int32_t>(p / shape_.page_tokens);
        const auto* list = lists.empty() ? nullptr : &lists[static_cast<size_t>(kv)];
        if (list == nullptr || std::find(list->begin(), list->end(), page) != list->end()) seen.push_back(p);
      }
      std::vector<double> weights;
      double highest = -1e300, total = 0.0;
      for (const int64_t p : seen) {
        double score = 0.0;
        for (int64_t d = 0; d < shape_.head_dim; ++d) {
          score += as_stored(in.q[static_cast<size_t>(at + d)], operands) * key(sequence, p, position, kv, d, operands);
        }
        weights.push_back(score * shape_.scale());
        highest = std::max(highest, weights.back());
      }
      for (double& w : weights) total += w = std::exp(w - highest);
      for (int64_t d = 0; d < shape_.head_dim; ++d) {
        double sum = 0.0;
        for (size_t i = 0; i < seen.size(); ++i)
          sum += weights[i] * value(sequence, seen[i], position, kv, d, operands);
        const double error = std::abs(outputs_[sequence][static_cast<size_t>(at + d)] - sum / total);
        worst = std::isnan(error) ? INFINITY : std::max(worst, error);
      }
    }
    return worst;
  }

 private:
  struct HostBatch {
    std::vector<int32_t> token_begin = {0}, first_position, page_begin = {0}, slots, token_row;
    std::vector<int32_t> open_begin = {0}, open_slots, listed, counts;
    std::vector<float> q;
    std::vector<std::byte> open_pool;
    RaggedRows rows;  // and selection: without their arrays
    PageSelection selection;

    void add_row(int64_t first, int64_t count) {
      token_row.insert(token_row.end(), static_cast<size_t>(count), static_cast<int32_t>(first_position.size()));
      first_position.push_back(static_cast<int32_t>(first));
      token_begin.push_back(token_begin.back() + static_cast<int32_t>(count));
      rows.num_single_rows += count == 1 ? 1 : 0;
      rows.max_row_tokens = std::max(rows.max_row_tokens, count);
      rows.num_tokens += count;
      ++rows.num_rows;
    }
    void add_lists(const std::vector<std::vector<int32_t>>& of_row, int64_t kv_heads) {
      for (size_t h = 0; h < static_cast<size_t>(kv_heads); ++h) {
        counts.push_back(of_row.empty() ? -1 : static_cast<int32_t>(of_row[h].size()));
        std::vector<int32_t> list(static_cast<size_t>(selection.capacity), 1 << 28);  // what nobody may look up
        if (!of_row.empty()) std::copy(of_row[h].begin(), of_row[h].end(), list.begin());
        listed.insert(listed.end(), list.begin(), list.end());
      }
    }
    std::vector<const int32_t**> pointers() {
      return {&rows.token_begin, &rows.first_position, &rows.page_begin, &rows.slots,      &rows.token_row,
              &rows.open_begin,  &rows.open_slots,     &selection.pages, &selection.counts};
    }
    const std::vector<int32_t>& array_of(const int32_t** pointer) {
      const std::vector<const int32_t**> all = pointers();
      return *arrays()[static_cast<size_t>(std::find(all.begin(), all.end(), pointer) - all.begin())];
    }
    std::vector<const std::vector<int32_t>*> arrays() const {
      return {&token_begin, &first_position, &page_begin, &slots, &token_row,
              &open_begin,  &open_slots,     &listed,     &counts};
    }
  };

  HostBatch batch_of(const std::vector<Chunk>& chunks, const SealedBatchForm& form, const PageLists& lists) {
    HostBatch host;
    const int64_t width = shape_.heads * shape_.head_dim;
    for (const AttentionInputs& in : sequences_) {
      host.selection.capacity = std::max(host.selection.capacity, 1 + pages_of(in.num_tokens));
    }
    host.open_pool.assign(open_pool_.size(), std::byte{0xff});
    host.rows.max_end = form.max_end;
    for (int64_t i = 0; i < form.padding_rows; ++i) {
      constexpr int64_t kStale = 700;  // a position that nothing may be read for
      host.add_row(kStale, form.padding_tokens);
      host.q.insert(host.q.end(), static_cast<size_t>(form.padding_tokens * width), 1.0F);
      host.page_begin.push_back(host.page_begin.back());
      host.open_begin.push_back(host.open_begin.back());
      host.add_lists({}, shape_.kv_heads);
    }
    for (size_t c = 0; c < chunks.size(); ++c) {
      const Chunk& chunk = chunks[c];
      const auto s = static_cast<size_t>(chunk.sequence);
      const int64_t end = chunk.first + chunk.count, first_page = chunk.first / shape_.page_tokens;
      host.q.insert(host.q.end(), sequences_[s].q.begin() + chunk.first * width, sequences_[s].q.begin() + end * width);
      host.add_row(chunk.first, chunk.count);
      host.rows.max_end = std::max(host.rows.max_end, end);
      host.slots.insert(host.slots.end(), slots_[s].begin(), slots_[s].begin() + layout_.slots_for(end));
      host.page_begin.push_back(static_cast<int32_t>(host.slots.size()));
      host.open_slots.insert(host.open_slots.end(), open_slots_[s].begin() + first_page,
                             open_slots_[s].begin() + pages_of(end));
      host.open_begin.push_back(static_cast<int32_t>(host.open_slots.size()));
      for (int64_t p = first_page * shape_.page_tokens; p < end; ++p) write(s, p, host.open_pool);
      host.add_lists(c < lists.size() ? lists[c] : std::vector<std::vector<int32_t>>{}, shape_.kv_heads);
    }
    return host;
  }

  void collect(const std::vector<Chunk>& chunks, const SealedBatchForm& form, const std::vector<float>& result) {
    const int64_t width = shape_.heads * shape_.head_dim;
    auto from = result.begin();
    for (int64_t i = 0; i < form.padding_rows * form.padding_tokens; ++i, from += width) {
      EXPECT_TRUE(std::all_of(from, from + width, [](float x) { return x == 0.0F; })) << "padding";
    }
    for (const Chunk& chunk : chunks) {
      auto to = outputs_[static_cast<size_t>(chunk.sequence)].begin() + chunk.first * width;
      std::copy(from, from + chunk.count * width, to);
      from += chunk.count * width;
    }
  }

  int64_t num_slots() const { return static_cast<int64_t>(pool_.size()) / layout_.page_bytes(); }
  int64_t pages_of(int64_t tokens) const { return (tokens + shape_.page_tokens - 1) / shape_.page_tokens; }

  std::byte* head_in(std::vector<std::byte>& pool, int32_t slot, const KvLayout& layout, int64_t head) const {
    return pool.data() + slot * layout.page_bytes() + layout.k_block(head, shape_.layer);
  }

  /// One position's keys and values: into `open_pool`, or with kFull into the pages.
  void write(size_t s, int64_t position, std::vector<std::byte>& open_pool) {
    const AttentionInputs& in = sequences_[s];
    const auto page = static_cast<size_t>(position / shape_.page_tokens);
    const bool is_coded = layout_.is_coded();
    visit_floating(shape_.page_dtype, [&]<class T>() {
      for (int64_t h = 0; h < shape_.kv_heads; ++h) {
        std::byte* const k =
            is_coded ? head_in(open_pool, open_slots_[s][page], open_, h) : head_in(pool_, slots_[s][page], layout_, h);
        std::byte* const v = k + open_.k_bytes(shape_.layer);
        const int64_t pad = open_.k_index(position % shape_.page_tokens, open_.padded_head_dim() - 1);
        reinterpret_cast<T*>(k)[pad] = from_float<T>(0.0F);
        for (int64_t d = 0; d < shape_.head_dim; ++d) {
          const auto at = static_cast<size_t>((position * shape_.kv_heads + h) * shape_.head_dim + d);
          const int64_t token = position % shape_.page_tokens;
          reinterpret_cast<T*>(k)[open_.k_index(token, d)] = from_float<T>(in.k[at]);
          reinterpret_cast<T*>(v)[open_.v_index(token, d)] = from_float<T>(in.v[at]);
        }
      }
    });
  }

  void seal(size_t s) {
    for (int64_t p = 0; p < sequences_[s].num_tokens; ++p) write(s, p, open_pool_);
    if (!layout_.is_coded()) return;
    std::vector<int32_t> open, keys, values;
    for (int64_t page = 0; page < sequences_[s].num_tokens / shape_.page_tokens; ++page) {
      const bool is_split = layout_.splits_first_page() && page == 0;
      const auto slot = static_cast<size_t>(page + (layout_.splits_first_page() && page > 0 ? 1 : 0));
      open.push_back(open_slots_[s][static_cast<size_t>(page)]);
      keys.push_back(slots_[s][slot]);
      values.push_back(slots_[s][slot + (is_split ? 1 : 0)]);
    }
    const CpuContext cpu;
    seal_pages(cpu, {static_cast<int64_t>(open.size()), open.data(), keys.data(), values.data()}, shape_.layer,
               {pool_.data(), layout_, open_pool_.data()});
  }

  double key(size_t s, int64_t p, int64_t query, int64_t head, int64_t dim, DType operands) const {
    const int64_t page = p / shape_.page_tokens;
    if (!layout_.is_coded() || page == query / shape_.page_tokens) {
      return as_stored(sequences_[s].k[static_cast<size_t>((p * shape_.kv_heads + head) * shape_.head_dim + dim)],
                       shape_.page_dtype);
    }
    const bool is_first = layout_.splits_first_page() && page == 0;
    const int64_t entry = page + (layout_.splits_first_page() && page > 0 ? 1 : 0);
    const std::byte* const block = pool_.data() + slots_[s][static_cast<size_t>(entry)] * layout_.page_bytes() +
                                   layout_.k_block(head, shape_.layer);
    return rounded(
        decoded_key(layout_, block, is_first ? 8 : layout_.k_bits(shape_.layer), p % shape_.page_tokens, dim),
        operands);
  }
  double value(size_t s, int64_t p, int64_t query, int64_t head, int64_t dim, DType operands) const {
    const int64_t page = p / shape_.page_tokens;
    if (!layout_.is_coded() || page == query / shape_.page_tokens) {
      return as_stored(sequences_[s].v[static_cast<size_t>((p * shape_.kv_heads + head) * shape_.head_dim + dim)],
                       shape_.page_dtype);
    }
    const bool is_first = layout_.splits_first_page() && page == 0;
    const int64_t entry = page + (layout_.splits_first_page() ? 1 : 0);
    const std::byte* const slot = pool_.data() + slots_[s][static_cast<size_t>(entry)] * layout_.page_bytes();
    const std::byte* const block =
        slot + (is_first ? layout_.k_block(head, shape_.layer) : layout_.v_block(head, shape_.layer));
    return rounded(decoded_value(layout_, block, is_first ? 8 : layout_.v_bits(), p % shape_.page_tokens, dim),
                   operands);
  }
  static double rounded(double x, DType operands) {
    return operands == DType::kF32 ? x : as_stored(static_cast<float>(x), operands);
  }

  CudaContext& context_;
  std::vector<AttentionInputs> sequences_;
  AttentionShape shape_;
  KvLayout layout_, open_;
  std::vector<std::byte> pool_, open_pool_;
  std::optional<HostPages> host_;
  std::vector<std::vector<int32_t>> slots_, open_slots_;
  std::vector<std::vector<float>> outputs_;
};

}  // namespace lockstep::test
