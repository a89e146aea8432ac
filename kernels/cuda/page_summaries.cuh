// How entries of the table of summaries are written: a block takes one page and KV head, a thread a channel. Bytes are
// those of the CPU's body.
#pragma once

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/seal_numerics.cuh"
#include "kernels/key_summary.h"
#include "kernels/page_places.h"
#include "kernels/page_summaries.h"

#include <cstdint>

namespace lockstep::cuda {

inline constexpr int kSummaryThreads = 128;

struct SummaryArguments {
  PagePlaces places;
  KeySummaryPlaces first_page, other_pages;
  std::byte* entries;  // those of the layer and head 0
  int64_t entry_bytes, head_entry_bytes;
  int32_t head_dim, channels;
};

inline SummaryArguments summary_arguments(const KvPages& pages, int64_t layer) {
  const KvLayout& layout = pages.layout;
  const KeySummaryPlaces others = KeySummaryPlaces::of_layer(layout, layer);
  return {places_of_layer(pages, layer),
          layout.splits_first_page() ? KeySummaryPlaces(layout, layer, 8) : others,
          others,
          summary_entries(pages, layer, 0),
          summary_entry_bytes(layout),
          pages.num_summaries * summary_entry_bytes(layout),
          static_cast<int32_t>(layout.head_dim),
          static_cast<int32_t>(summary_channels(layout))};
}

/// `List`: page(i) is the i-th page, of a negative slot where there is nothing to do. Grid: pages, KV heads.
template <class List>
__global__ void __launch_bounds__(kSummaryThreads) summaries_kernel(SummaryArguments args, List list) {
  const IndexedPage page = list.page(static_cast<int>(blockIdx.x));
  if (page.slot < 0) return;
  const int64_t head = blockIdx.y;
  const std::byte* const block = args.places.block_of(page.slot, head);
  const KeySummaryPlaces& at = page.is_first ? args.first_page : args.other_pages;
  const auto half_at = [&](int64_t place, int d) { return reinterpret_cast<const unsigned short*>(block + place)[d]; };
  const auto byte_at = [&](int64_t place, int d) { return reinterpret_cast<const uint8_t*>(block + place)[d]; };
  std::byte* const entry = args.entries + head * args.head_entry_bytes + page.slot * args.entry_bytes;
  auto* const means = reinterpret_cast<unsigned short*>(entry);
  auto* const deviations = reinterpret_cast<uint8_t*>(entry + 2 * args.channels);
  for (int64_t i = 3 * args.channels + threadIdx.x; i < args.entry_bytes; i += kSummaryThreads) {
    entry[i] = std::byte{0};
  }
  for (int d = static_cast<int>(threadIdx.x); d < args.channels; d += kSummaryThreads) {
    unsigned short mean = 0;
    uint8_t deviation = 0;
    if (d < args.head_dim) {
      mean = half_at(at.means, d);
      if (at.bits == 0) {
        deviation = nearest_scale_code(half_value(half_at(at.deviations, d)));
      } else {
        const float scale = scale_of_code(byte_at(at.scales, d));
        if (at.bits == 4) mean = half_within_range(mean_of_code(half_value(mean), scale, byte_at(at.mean_codes, d)));
        deviation = nearest_scale_code(deviation_of_code(scale, byte_at(at.deviations, d), at.bits));
      }
    }
    means[d] = mean;
    deviations[d] = deviation;
  }
}

}  // namespace lockstep::cuda
