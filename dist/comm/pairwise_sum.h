// The one order in which sums over ranks are made, whatever the transport.
#pragma once

#include "core/thread_pool.h"

#include <cstdint>
#include <span>

namespace lockstep {

/// out[i] = sum over parts of part[i], added pairwise, ((p0+p1)+(p2+p3))+…; an odd last one waits for the next round.
/// `out` may be one of the parts, but not overlap one at an offset. `threads` may be null; the bits do not depend on
/// it.
void pairwise_sum(std::span<const float* const> parts, int64_t count, float* out, ThreadPool* threads = nullptr);

}  // namespace lockstep
