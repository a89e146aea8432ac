#include "cache/policy/planned_use.h"

#include <algorithm>

namespace lockstep {

uint64_t PlannedUsePolicy::score(const PageFacts& page) const {
  constexpr uint64_t kPlanned = uint64_t{1} << 62;
  if (page.next_use != kNeverUsed) return kPlanned | (kPlanned - 1 - std::min(page.next_use, kPlanned - 1));

  // Bit 61: is prompt; 21 bits: closeness to the root; 40 bits: last use.
  constexpr int kTimeBits = 40;
  constexpr uint64_t kLastTime = (uint64_t{1} << kTimeBits) - 1;
  constexpr int64_t kDeepest = (int64_t{1} << 21) - 1;
  const auto shallowness = static_cast<uint64_t>(kDeepest - std::clamp<int64_t>(page.depth, 0, kDeepest));
  const uint64_t is_prompt = page.is_output ? 0 : 1;
  return is_prompt << 61 | shallowness << kTimeBits | std::min(page.last_use, kLastTime);
}

}  // namespace lockstep
