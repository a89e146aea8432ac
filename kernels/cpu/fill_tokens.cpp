#include "kernels/backends.h"

namespace lockstep::cpu {

void fill_tokens(const OpContext&, ConstTensorView ids, ConstTensorView sources, ConstTensorView sampled,
                 TensorView out) {
  const int32_t* const own = ids.as<int32_t>();
  const int32_t* const from = sources.as<int32_t>();
  const int32_t* const last = sampled.as<int32_t>();
  int32_t* const to = out.as<int32_t>();
  for (int64_t t = 0; t < out.size(0); ++t) {
    LS_REQUIRE(ShapeError, from[t] < sampled.size(0), "fill_tokens: token {} comes from sampled token {} of {}", t,
               from[t], sampled.size(0));
    to[t] = from[t] < 0 ? own[t] : last[from[t]];
  }
}

}  // namespace lockstep::cpu
