#include "kernels/cpu/page_summaries.h"

#include "kernels/backends.h"
#include "kernels/cpu/seal/quantise.h"
#include "kernels/key_summary.h"
#include "kernels/page_places.h"

#include <cstring>

namespace lockstep::cpu {

void write_summary(const KvPages& pages, const IndexedPage& page, int64_t layer, int64_t head) {
  const KvLayout& layout = pages.layout;
  const bool is_split = page.is_first && layout.splits_first_page();
  const auto at = is_split ? KeySummaryPlaces(layout, layer, 8) : KeySummaryPlaces::of_layer(layout, layer);
  const std::byte* const block = places_of_layer(pages, layer).block_of(page.slot, head);
  const auto halves_at = [&](int64_t place) { return reinterpret_cast<const Half*>(block + place); };
  const auto bytes_at = [&](int64_t place) { return reinterpret_cast<const uint8_t*>(block + place); };
  const int64_t entry_bytes = summary_entry_bytes(layout), channels = summary_channels(layout);
  std::byte* const entry = summary_entries(pages, layer, head) + page.slot * entry_bytes;
  std::memset(entry, 0, static_cast<size_t>(entry_bytes));
  Half* const means = reinterpret_cast<Half*>(entry);
  auto* const deviations = reinterpret_cast<uint8_t*>(entry + 2 * channels);
  for (int64_t d = 0; d < layout.head_dim; ++d) {
    const Half offset = halves_at(at.means)[d];
    means[d] = offset;
    if (at.bits == 0) {
      deviations[d] = nearest_scale_code(to_float(halves_at(at.deviations)[d]));
      continue;
    }
    const float scale = scale_of_code(bytes_at(at.scales)[d]);
    if (at.bits == 4) means[d] = half_within_range(mean_of_code(to_float(offset), scale, bytes_at(at.mean_codes)[d]));
    deviations[d] = nearest_scale_code(deviation_of_code(scale, bytes_at(at.deviations)[d], at.bits));
  }
}

void index_pages(const OpContext& context, std::span<const IndexedPage> list, int64_t layer, const KvPages& pages) {
  const int64_t heads = pages.layout.num_kv_heads;
  context.threads->parallel_for(static_cast<int64_t>(list.size()) * heads, 8, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      write_summary(pages, list[static_cast<size_t>(task / heads)], layer, task % heads);
    }
  });
}

}  // namespace lockstep::cpu
