#include "kernels/add_bias.h"

#include "core/error.h"

namespace lockstep {

void add_bias(const OpContext& context, TensorView x, ConstTensorView bias) {
  LS_REQUIRE(NotCompiled, context.device.kind == DeviceKind::kCpu, "add_bias has no body for {}",
             context.device.to_string());
  LS_REQUIRE(ShapeError, x.rank() == 2 && bias.rank() == 1 && x.size(1) == bias.size(0), "add_bias of {} to {}",
             bias.shape().to_string(), x.shape().to_string());
  auto* const rows = x.as<float>();
  const auto* const values = bias.as<float>();
  for (int64_t row = 0; row < x.size(0); ++row) {
    float* const to = rows + row * x.stride(0);
    for (int64_t column = 0; column < x.size(1); ++column) to[column] += values[column];
  }
}

}  // namespace lockstep
