#include "cache/policy/lfu.h"

#include <algorithm>

namespace lockstep {

uint64_t LfuPolicy::score(const PageFacts& page) const {
  constexpr int kTimeBits = 40;
  constexpr uint64_t kLastTime = (uint64_t{1} << kTimeBits) - 1;
  constexpr int64_t kMostUses = (int64_t{1} << (64 - kTimeBits)) - 1;
  const auto uses = static_cast<uint64_t>(std::clamp<int64_t>(page.num_uses, 0, kMostUses));
  return uses << kTimeBits | std::min(page.last_use, kLastTime);
}

}  // namespace lockstep
