// From the estimates of a sequence's pages to the list of those that are read.
#pragma once

#include "kernels/page_ranking.h"

#include <cstdint>
#include <span>
#include <vector>

namespace lockstep::cpu {

/// Working memory of one thread, kept between lists.
struct ChoiceScratch {
  std::vector<uint64_t> weights, shares, order;
  std::vector<float> ranks;
};

/// What a list comes to, for SelectionTotals.
struct Choice {
  int64_t count = 0;
  uint64_t share = 0;  // of the listed pages, in units of page_ranking; the own page has none
};

/// estimates [group][stride]: of pages candidates.first and up, the own page left out; NaN is replaced. `pages` has
/// room for candidates.most; ascending. Not for candidates that are all read.
Choice choose_pages(const SparseRule& rule, const page_ranking::Candidates& candidates, float* estimates, int64_t group,
                    int64_t stride, int32_t* pages, ChoiceScratch& scratch);

}  // namespace lockstep::cpu
