#include "tests/bench/attention_bytes.h"

#include "kernels/page_summaries.h"

#include <numeric>
#include <vector>

namespace lockstep::test {

int64_t attended_bytes(const KvLayout& layout, int64_t layer, std::span<const int32_t> pages) {
  KvLayout open = layout;
  open.format = KvFormat::kFull;
  int64_t bytes = 0;
  for (size_t i = 0; i < pages.size(); ++i) {
    if (i + 1 == pages.size()) {
      bytes += open.k_bytes(layer) + open.v_bytes();
    } else if (pages[i] == 0 && layout.splits_first_page()) {
      bytes += layout.k_code_bytes(8) + layout.v_code_bytes(8);
    } else {
      bytes += layout.k_bytes(layer) + layout.v_bytes();
    }
  }
  return bytes;
}

int64_t dense_bytes(const KvLayout& layout, int64_t layer, int64_t own_page) {
  std::vector<int32_t> pages(static_cast<size_t>(own_page + 1));
  std::iota(pages.begin(), pages.end(), 0);
  return attended_bytes(layout, layer, pages);
}

int64_t selection_bytes(const KvLayout& layout, int64_t own_page) { return own_page * summary_entry_bytes(layout); }

}  // namespace lockstep::test
