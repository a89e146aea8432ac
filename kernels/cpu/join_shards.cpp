#include "kernels/backends.h"

#include <algorithm>

namespace lockstep::cpu {

void join_shards(const OpContext& context, ConstTensorView shards, std::span<const int64_t> bounds, TensorView out) {
  const auto* const from = shards.as<float>();
  auto* const to = out.as<float>();
  const int64_t num_rows = shards.size(1), width = shards.size(2), vocabulary = out.size(1);
  context.threads->parallel_for(num_rows, 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      for (size_t s = 0; s + 1 < bounds.size(); ++s) {
        std::copy_n(from + (static_cast<int64_t>(s) * num_rows + r) * width, bounds[s + 1] - bounds[s],
                    to + r * vocabulary + bounds[s]);
      }
    }
  });
}

}  // namespace lockstep::cpu
