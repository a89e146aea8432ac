#include "launcher/commands/bench/paged_batch.h"

#include <numeric>
#include <vector>

namespace lockstep::bench {
namespace {

int64_t step_for(int64_t count) {
  int64_t step = 7919;  // a prime
  while (std::gcd(step, count) != 1) ++step;
  return step;
}

}  // namespace

PagedBatch::PagedBatch(const OpContext& context, const KvLayout& layout, int64_t num_rows, int64_t tokens,
                       int64_t context_tokens) {
  const int64_t pages = (context_tokens + layout.page_tokens - 1) / layout.page_tokens, num_slots = num_rows * pages;
  memory_ = Buffer(num_slots * layout.page_bytes(), context.device);
  fill_random(context, layout.dtype, memory_.data(), memory_.bytes() / size_of(layout.dtype));

  std::vector<int32_t> positions, token_begin{0}, first_position, page_begin{0}, slots, token_row;
  const int64_t step = step_for(num_slots);
  for (int64_t row = 0; row < num_rows; ++row) {
    first_position.push_back(static_cast<int32_t>(context_tokens - tokens));
    for (int64_t token = 0; token < tokens; ++token) {
      positions.push_back(first_position.back() + static_cast<int32_t>(token));
      token_row.push_back(static_cast<int32_t>(row));
    }
    for (int64_t page = 0; page < pages; ++page)
      slots.push_back(static_cast<int32_t>((row * pages + page) * step % num_slots));
    token_begin.push_back(static_cast<int32_t>(positions.size()));
    page_begin.push_back(static_cast<int32_t>(slots.size()));
  }
  positions_ = integers(context, positions);
  token_begin_ = integers(context, token_begin);
  first_position_ = integers(context, first_position);
  page_begin_ = integers(context, page_begin);
  slots_ = integers(context, slots);
  token_row_ = integers(context, token_row);

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
  pages_ = {static_cast<std::byte*>(memory_.data()), layout};
}

}  // namespace lockstep::bench
