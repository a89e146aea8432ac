#include "core/cuda/nvtx.h"

#include <nvtx3/nvToolsExt.h>

namespace lockstep::cuda {

void range_push(const char* name) noexcept { nvtxRangePushA(name); }
void range_pop() noexcept { nvtxRangePop(); }

}  // namespace lockstep::cuda
