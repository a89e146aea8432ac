// The order of dist/comm/pairwise_sum.h on a GPU. In the CUDA module.
#pragma once

#include "kernels/context.h"

#include <cstdint>

namespace lockstep::cuda {

/// `size` arrays of floats: part r at parts + r * stride, but part `own_index` (-1: none) at `own`.
struct SumParts {
  const float* parts = nullptr;
  int64_t stride = 0;
  int32_t size = 0;
  int32_t own_index = -1;
  const float* own = nullptr;
};

/// out[i] = parts added pairwise, i < count. `out` may be one of the parts. Async: enqueues on the context's stream.
void add_parts(const OpContext& context, const SumParts& parts, int64_t count, float* out);

}  // namespace lockstep::cuda
