#include "cache/policy/fifo.h"

namespace lockstep {

uint64_t FifoPolicy::score(const PageFacts& page) const { return page.inserted; }

}  // namespace lockstep
