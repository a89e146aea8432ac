#include "kernels/backends.h"

#include <cmath>

namespace lockstep::cpu {

void select_best(const OpContext&, std::span<const ArgmaxResult> shards, TensorView tokens) {
  auto* const out = tokens.as<int32_t>();
  const auto num_rows = static_cast<size_t>(tokens.size(0));
  for (size_t r = 0; r < num_rows; ++r) {
    ArgmaxResult best = shards[r];
    for (size_t i = r + num_rows; i < shards.size(); i += num_rows) best = better_of(best, shards[i]);
    out[r] = std::isfinite(best.value) ? best.token.value() : -1;
  }
}

}  // namespace lockstep::cpu
