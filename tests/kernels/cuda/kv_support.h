// A ragged batch over scattered pages, for the tests of what writes keys and values.
#pragma once

#include "kernels/paged_attention.h"
#include "tests/kernels/cuda/device_support.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace lockstep::test {

/// A prompt longer than a tile of 32 tokens that starts within a page, a second one, and single tokens.
struct KvBatch {
  explicit KvBatch(int64_t page_tokens) {
    const std::vector<int32_t> firsts = {3, 0, 17, 5}, counts = {45, 7, 1, 1};
    std::vector<int32_t> pages;
    for (size_t r = 0; r < firsts.size(); ++r) {
      first_position.push_back(firsts[r]);
      token_begin.push_back(token_begin.back() + counts[r]);
      const int64_t end = firsts[r] + counts[r];
      page_begin.push_back(page_begin.back() + static_cast<int32_t>((end + page_tokens - 1) / page_tokens));
      open_begin.push_back(open_begin.back() + static_cast<int32_t>((end + page_tokens - 1) / page_tokens) -
                           firsts[r] / static_cast<int32_t>(page_tokens));
      for (int32_t t = 0; t < counts[r]; ++t) {
        token_row.push_back(static_cast<int32_t>(r));
        positions.push_back(firsts[r] + t);
      }
    }
    num_tokens = token_begin.back();
    num_slots = page_begin.back() + 2;  // two are nobody's
    for (int32_t p = 0; p < page_begin.back(); ++p) slots.push_back(static_cast<int32_t>(num_slots) - 1 - p);
    std::swap(slots.front(), slots.back());
    for (int32_t p = 0; p < open_begin.back(); ++p) open_slots.push_back(static_cast<int32_t>(num_slots) - 2 - p);
  }

  RaggedRows host_rows() const {
    RaggedRows rows;
    rows.num_rows = static_cast<int64_t>(first_position.size());
    rows.num_tokens = num_tokens;
    rows.token_begin = token_begin.data();
    rows.first_position = first_position.data();
    rows.page_begin = page_begin.data();
    rows.slots = slots.data();
    rows.open_begin = open_begin.data();
    rows.open_slots = open_slots.data();
    return rows;
  }
  /// What the pages that are written hold before: of coded formats the open ones.
  std::vector<std::byte> noise(const KvLayout& layout) const {
    const int64_t page_bytes = KvPages{nullptr, layout}.open_layout().page_bytes();
    return std::vector<std::byte>(static_cast<size_t>(num_slots * page_bytes), std::byte{0x7f});
  }
  static KvPages pages(std::byte* written, const KvLayout& layout) {
    return layout.is_coded() ? KvPages{nullptr, layout, written} : KvPages{written, layout};
  }

  int64_t num_tokens = 0, num_slots = 0;
  std::vector<int32_t> token_begin = {0}, first_position, page_begin = {0}, slots, token_row, positions;
  std::vector<int32_t> open_begin = {0}, open_slots;
};

/// The same on the device.
class DeviceRows {
 public:
  DeviceRows(CudaContext& context, const KvBatch& batch)
      : rows_(batch.host_rows()),
        token_begin_(context, batch.token_begin),
        first_position_(context, batch.first_position),
        page_begin_(context, batch.page_begin),
        slots_(context, batch.slots),
        token_row_(context, batch.token_row),
        positions_(context, batch.positions),
        open_begin_(context, batch.open_begin),
        open_slots_(context, batch.open_slots) {
    rows_.token_begin = static_cast<const int32_t*>(token_begin_.data());
    rows_.first_position = static_cast<const int32_t*>(first_position_.data());
    rows_.page_begin = static_cast<const int32_t*>(page_begin_.data());
    rows_.slots = static_cast<const int32_t*>(slots_.data());
    rows_.token_row = static_cast<const int32_t*>(token_row_.data());
    rows_.open_begin = static_cast<const int32_t*>(open_begin_.data());
    rows_.open_slots = static_cast<const int32_t*>(open_slots_.data());
  }
  const RaggedRows& view() const { return rows_; }
  TensorView positions() const { return positions_.view({rows_.num_tokens}); }

 private:
  RaggedRows rows_;
  DeviceArray token_begin_, first_position_, page_begin_, slots_, token_row_, positions_, open_begin_, open_slots_;
};

}  // namespace lockstep::test
