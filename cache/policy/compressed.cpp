#include "cache/policy/compressed.h"

#include "core/error.h"

#include <algorithm>
#include <utility>

namespace lockstep {

CompressedPolicy::CompressedPolicy(std::unique_ptr<EvictionPolicy> order) : order_(std::move(order)) {
  LS_CHECK(order_ != nullptr, "no order given");
}

uint64_t CompressedPolicy::score(const PageFacts& page) const {
  constexpr uint64_t kCompressed = uint64_t{1} << 63;
  const uint64_t score = std::min(order_->score(page), kCompressed - 1);
  return page.is_compressed ? kCompressed | score : score;
}

}  // namespace lockstep
