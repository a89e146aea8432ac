// Pages for tests of policies.
#pragma once

#include "cache/policy/eviction_policy.h"

#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

namespace lockstep {

inline Hash128 key_of(int64_t page) {
  return {static_cast<uint64_t>(page) * 0x9e3779b97f4a7c15U, static_cast<uint64_t>(page) * 0xbf58476d1ce4e5b9U};
}

/// A page with this id and key, everything else as in `facts`.
inline PageFacts page_of(int64_t id, PageFacts facts = {}) {
  facts.page = PageId(id);
  facts.key = key_of(id);
  return facts;
}

/// Ids of the pages in the order in which the policy gives them up, as whoever owns it orders them.
inline std::vector<int64_t> victims(const EvictionPolicy& policy, std::vector<PageFacts> pages) {
  std::vector<int64_t> order;
  while (!pages.empty()) {
    size_t first = 0;
    for (size_t i = 1; i < pages.size(); ++i) {
      const uint64_t a = policy.score(pages[i]), b = policy.score(pages[first]);
      if (a != b                                 ? a < b
          : pages[i].depth != pages[first].depth ? pages[i].depth > pages[first].depth
                                                 : pages[i].page > pages[first].page) {
        first = i;
      }
    }
    order.push_back(pages[first].page.value());
    pages.erase(pages.begin() + static_cast<int64_t>(first));
  }
  return order;
}

}  // namespace lockstep
