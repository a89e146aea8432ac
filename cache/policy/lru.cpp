#include "cache/policy/lru.h"

namespace lockstep {

uint64_t LruPolicy::score(const PageFacts& page) const { return page.last_use; }

}  // namespace lockstep
