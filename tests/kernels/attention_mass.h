// How much of a query's attention lies in some pages, by the softmax over all positions that it sees, in double.
#pragma once

#include "kernels/paged_attention.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

namespace lockstep::test {

/// The share in [0, 1] of the softmax of scale * q · K over positions (position - window, position] (window 0: from 0
/// on) that falls into `listed` pages. `pages` are of kFull on the host; slots [page] of the sequence.
inline double attention_mass(const KvPages& pages, std::span<const int32_t> slots, int64_t head, int64_t layer,
                             std::span<const float> q, int64_t position, float scale, int64_t window,
                             std::span<const int32_t> listed) {
  const KvLayout& layout = pages.layout;
  const int64_t first = window > 0 ? std::max<int64_t>(position - window + 1, 0) : 0;
  std::vector<double> scores;
  visit_floating(layout.dtype, [&]<class T>() {
    for (int64_t t = first; t <= position; ++t) {
      const std::byte* const page =
          pages.base + slots[static_cast<size_t>(t / layout.page_tokens)] * layout.page_bytes();
      const T* const keys = reinterpret_cast<const T*>(page + layout.k_block(head, layer));
      double dot = 0.0;
      for (int64_t d = 0; d < layout.head_dim; ++d) {
        dot +=
            static_cast<double>(q[static_cast<size_t>(d)]) * to_float(keys[layout.k_index(t % layout.page_tokens, d)]);
      }
      scores.push_back(dot * static_cast<double>(scale));
    }
  });
  const double highest = *std::max_element(scores.begin(), scores.end());
  double inside = 0.0, total = 0.0;
  for (int64_t t = first; t <= position; ++t) {
    const double weight = std::exp(scores[static_cast<size_t>(t - first)] - highest);
    const auto page = static_cast<int32_t>(t / layout.page_tokens);
    total += weight;
    if (std::binary_search(listed.begin(), listed.end(), page)) inside += weight;
  }
  return inside / total;
}

}  // namespace lockstep::test
