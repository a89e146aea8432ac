#include "kernels/rope.h"

#include "kernels/backends.h"
#include "kernels/check.h"

namespace lockstep {

void rope(const OpContext& context, TensorView x, ConstTensorView positions, const RopeTable& table) {
  check_context("rope", context);
  check_shape("rope", "x", x, {-1, -1, -1});
  LS_REQUIRE(ShapeError, x.size(2) % 2 == 0, "rope: head size {} is odd", x.size(2));
  check_shape("rope", "positions", positions, {x.size(0)});
  check_shape("rope", "cos", table.cos, {-1, x.size(2) / 2});
  check_dtype("rope", "x", x, {DType::kF32});
  check_dtype("rope", "positions", positions, {DType::kI32});
  check_dense_rows("rope", "x", x);
  check_device("rope", "x", x, context);
  check_device("rope", "positions", positions, context);
  switch (context.device.kind) {
    case DeviceKind::kCpu: return cpu::rope(context, x, positions, table);
    case DeviceKind::kCuda: return cuda::rope(context, x, positions, table);
  }
}

}  // namespace lockstep
