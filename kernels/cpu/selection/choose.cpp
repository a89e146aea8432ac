#include "kernels/cpu/selection/choose.h"

#include <algorithm>
#include <limits>

namespace lockstep::cpu {
namespace {

/// Adds one query head's shares (of all heads `group`-th parts) to `scratch.shares`, raises `scratch.ranks` to its.
void rank(float* estimates, int64_t group, ChoiceScratch& scratch) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const size_t num_pages = scratch.shares.size();
  float highest = -kInfinity;
  float lowest = kInfinity, top = -kInfinity;  // of the finite ones
  for (size_t i = 0; i < num_pages; ++i) {
    const float estimate = estimates[i] = page_ranking::sanitized(estimates[i]);
    highest = std::max(highest, estimate);
    if (!page_ranking::is_finite(estimate)) continue;
    lowest = std::min(lowest, estimate);
    top = std::max(top, estimate);
  }
  page_ranking::Spread spread(lowest, top);
  uint64_t total = 0, count = 0, sum = 0, squares = 0;
  for (size_t i = 0; i < num_pages; ++i) {
    total += scratch.weights[i] = page_ranking::weight_of(estimates[i], highest);
    if (!page_ranking::is_finite(estimates[i])) continue;
    const uint64_t place = spread.whole_place_of(estimates[i]);
    ++count;
    sum += place;
    squares += place * place;
  }
  if (count > 0) spread.set_moments(count, sum, squares);
  const double units = page_ranking::units_per_weight(total);
  for (size_t i = 0; i < num_pages; ++i) {
    scratch.shares[i] += page_ranking::share_of(scratch.weights[i], units) / static_cast<uint64_t>(group);
    scratch.ranks[i] = std::max(scratch.ranks[i], spread.standing_of(estimates[i]));
  }
}

}  // namespace

Choice choose_pages(const SparseRule& rule, const page_ranking::Candidates& candidates, float* estimates, int64_t group,
                    int64_t stride, int32_t* pages, ChoiceScratch& scratch) {
  const auto num_estimates = static_cast<size_t>(candidates.own - candidates.first);
  scratch.weights.resize(num_estimates);
  scratch.shares.assign(num_estimates, 0);
  scratch.ranks.assign(num_estimates, -std::numeric_limits<float>::infinity());
  for (int64_t g = 0; g < group; ++g) rank(estimates + g * stride, group, scratch);

  Choice choice;
  const auto share_at = [&](int64_t page) { return scratch.shares[static_cast<size_t>(page - candidates.first)]; };
  const auto take = [&](int64_t page) {
    pages[choice.count++] = static_cast<int32_t>(page);
    if (page != candidates.own) choice.share += share_at(page);
  };
  for (int64_t page = candidates.first; page < candidates.sink_end; ++page) take(page);
  for (int64_t page = candidates.recent_begin; page <= candidates.own; ++page) take(page);

  // Rank in the upper half of a number, page in the lower one: lower numbers first.
  uint64_t outside = 0;
  scratch.order.clear();
  for (int64_t page = candidates.sink_end; page < candidates.recent_begin; ++page) {
    outside += share_at(page);
    const float rank = scratch.ranks[static_cast<size_t>(page - candidates.first)];
    scratch.order.push_back(uint64_t{page_ranking::descending_key(rank)} << 32 | static_cast<uint64_t>(page));
  }
  const auto left = static_cast<std::ptrdiff_t>(candidates.most - choice.count);
  const auto end = scratch.order.begin() + left;
  std::nth_element(scratch.order.begin(), end, scratch.order.end());
  if (rule.mass < 1.0) std::sort(scratch.order.begin(), end);
  uint64_t share = 0;
  for (auto at = scratch.order.begin(); at != end; ++at) {
    if (choice.count >= rule.least_pages && page_ranking::is_enough(rule, share, outside)) break;
    const auto page = static_cast<int64_t>(*at & 0xffffffffU);
    share += share_at(page);
    take(page);
  }
  std::sort(pages, pages + choice.count);
  return choice;
}

}  // namespace lockstep::cpu
