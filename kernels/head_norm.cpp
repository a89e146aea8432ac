#include "kernels/head_norm.h"

#include "kernels/backends.h"
#include "kernels/check.h"
#include "kernels/cuda_api.h"

namespace lockstep {

void head_norm(const OpContext& context, TensorView x, ConstTensorView weight, float eps) {
  check_context("head_norm", context);
  check_shape("head_norm", "x", x, {-1, -1, -1});
  check_shape("head_norm", "weight", weight, {x.size(2)});
  check_dtype("head_norm", "x", x, {DType::kF32});
  check_dtype("head_norm", "weight", weight, kFloatingTypes);
  check_dense_rows("head_norm", "x", x);
  check_device("head_norm", "x", x, context);
  check_device("head_norm", "weight", weight, context);
  LS_REQUIRE(ShapeError, x.size(2) > 0, "head_norm: heads have no elements");
  switch (context.device.kind) {
    case DeviceKind::kCpu: return cpu::head_norm(context, x, weight, eps);
    case DeviceKind::kCuda: return cuda_kernels().head_norm(context, x, weight, eps);
  }
}

}  // namespace lockstep
