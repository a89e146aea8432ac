#include "launcher/commands/bench/paged_batch.h"

#include "kernels/page_summaries.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace lockstep::bench {
namespace {

int64_t step_for(int64_t count) {
  int64_t step = 7919;  // a prime
  while (std::gcd(step, count) != 1) ++step;
  return step;
}

double position_bytes(const KvLayout& layout) {
  return static_cast<double>(2 * layout.head_dim * size_of(layout.dtype));
}

double sealed_bytes(const KvLayout& layout, int64_t num_pages) {
  if (num_pages <= 0) return 0.0;
  const int64_t page = layout.k_bytes(0) + layout.v_bytes();
  const int64_t first = layout.splits_first_page() ? layout.k_code_bytes(8) + layout.v_code_bytes(8) : page;
  return static_cast<double>(first + (num_pages - 1) * page);
}

}  // namespace

PagedBatch::PagedBatch(const OpContext& context, const KvLayout& layout, int64_t num_rows, int64_t tokens,
                       int64_t context_tokens, bool has_table) {
  const int64_t pages = (context_tokens + layout.page_tokens - 1) / layout.page_tokens;
  const int64_t first = context_tokens - tokens, first_open = first / layout.page_tokens;
  const int64_t row_slots = layout.slots_for(context_tokens), num_slots = num_rows * row_slots;
  const int64_t num_open = layout.is_coded() ? num_rows * (pages - first_open) : 0;
  pages_.layout = layout;
  memory_ = Buffer(num_slots * layout.page_bytes(), context.device);
  open_memory_ = Buffer(num_open * pages_.open_layout().page_bytes(), context.device);
  const Buffer& written = layout.is_coded() ? open_memory_ : memory_;
  fill_random(context, layout.dtype, written.data(), written.bytes() / size_of(layout.dtype));

  std::vector<int32_t> positions, token_begin{0}, first_position, page_begin{0}, slots, token_row;
  std::vector<int32_t> open_begin{0}, open_slots, seal_open, seal_keys, seal_values;
  const int64_t step = step_for(num_slots);
  const auto next_slot = [&] {
    slots.push_back(static_cast<int32_t>(static_cast<int64_t>(slots.size()) * step % num_slots));
    return slots.back();
  };
  for (int64_t row = 0; row < num_rows; ++row) {
    first_position.push_back(static_cast<int32_t>(first));
    for (int64_t token = 0; token < tokens; ++token) {
      positions.push_back(first_position.back() + static_cast<int32_t>(token));
      token_row.push_back(static_cast<int32_t>(row));
    }
    for (int64_t page = 0; page < pages; ++page) {
      seal_keys.push_back(next_slot());
      seal_values.push_back(page == 0 && layout.splits_first_page() ? next_slot() : seal_keys.back());
      if (!layout.is_coded()) continue;
      seal_open.push_back(static_cast<int32_t>(static_cast<int64_t>(seal_open.size()) % num_open));
      if (page >= first_open) open_slots.push_back(static_cast<int32_t>(open_slots.size()));
    }
    token_begin.push_back(static_cast<int32_t>(positions.size()));
    page_begin.push_back(static_cast<int32_t>(slots.size()));
    open_begin.push_back(static_cast<int32_t>(open_slots.size()));
  }
  positions_ = integers(context, positions);
  token_begin_ = integers(context, token_begin);
  first_position_ = integers(context, first_position);
  page_begin_ = integers(context, page_begin);
  slots_ = integers(context, slots);
  token_row_ = integers(context, token_row);
  seal_keys_ = integers(context, seal_keys);
  seal_values_ = integers(context, seal_values);

  rows_ = {.num_rows = num_rows,
           .num_tokens = num_rows * tokens,
           .token_begin = token_begin_.view.as<int32_t>(),
           .first_position = first_position_.view.as<int32_t>(),
           .page_begin = page_begin_.view.as<int32_t>(),
           .slots = slots_.view.as<int32_t>(),
           .token_row = token_row_.view.as<int32_t>(),
           .num_single_rows = tokens == 1 ? num_rows : 0,
           .max_row_tokens = tokens,
           .max_end = context_tokens};
  pages_.base = static_cast<std::byte*>(memory_.data());
  filled_ = {.count = num_rows * pages,
             .open_slots = nullptr,
             .key_slots = seal_keys_.view.as<int32_t>(),
             .value_slots = seal_values_.view.as<int32_t>()};
  if (layout.is_coded()) {
    open_begin_ = integers(context, open_begin);
    open_slots_ = integers(context, open_slots);
    seal_open_ = integers(context, seal_open);
    rows_.open_begin = open_begin_.view.as<int32_t>();
    rows_.open_slots = open_slots_.view.as<int32_t>();
    pages_.open_base = static_cast<std::byte*>(open_memory_.data());
    filled_.open_slots = seal_open_.view.as<int32_t>();
  }
  if (has_table) {
    table_ = Buffer(num_slots * summary_slot_bytes(layout), context.device);
    pages_.summaries = static_cast<std::byte*>(table_.data());
    pages_.num_summaries = num_slots;
    is_sparse_ = integers(context, std::vector<int32_t>(static_cast<size_t>(num_rows), 1));
    rows_.is_sparse = is_sparse_.view.as<int32_t>();
  }
  if (layout.is_coded() || has_table) seal_all(context);
}

void PagedBatch::seal_all(const OpContext& context) const {
  for (int64_t layer = 0; layer < pages_.layout.num_layers; ++layer) seal_pages(context, filled_, layer, pages_);
  context.stream->synchronize();
}

double attended_bytes(const KvLayout& layout, int64_t first, int64_t end) {
  if (!layout.is_coded()) return static_cast<double>(end) * position_bytes(layout);
  const int64_t written = end - first / layout.page_tokens * layout.page_tokens;
  return sealed_bytes(layout, (end - 1) / layout.page_tokens) + static_cast<double>(written) * position_bytes(layout);
}

double listed_bytes(const KvLayout& layout, int64_t num_pages, int64_t end) {
  const int64_t own = end - (end - 1) / layout.page_tokens * layout.page_tokens;
  const double before = layout.is_coded()
                            ? sealed_bytes(layout, num_pages - 1)
                            : static_cast<double>((num_pages - 1) * layout.page_tokens) * position_bytes(layout);
  return before + static_cast<double>(own) * position_bytes(layout);
}

}  // namespace lockstep::bench
