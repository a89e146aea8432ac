#include "cache/policy/lru.h"

namespace lockstep {

uint64_t LruPolicy::score(const LeafHistory& leaf) const { return leaf.last_use; }

}  // namespace lockstep
