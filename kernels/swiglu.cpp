#include "kernels/swiglu.h"

#include "kernels/backends.h"
#include "kernels/check.h"
#include "kernels/cuda_api.h"

namespace lockstep {

void swiglu(const OpContext& context, ConstTensorView gate_up, TensorView out) {
  check_context("swiglu", context);
  check_shape("swiglu", "gate_up", gate_up, {-1, -1});
  LS_REQUIRE(ShapeError, gate_up.size(1) % 2 == 0, "swiglu: gate_up of shape {} has an odd number of columns",
             gate_up.shape().to_string());
  check_shape("swiglu", "out", out, {gate_up.size(0), gate_up.size(1) / 2});
  check_dtype("swiglu", "gate_up", gate_up, {DType::kF32});
  check_dtype("swiglu", "out", out, kFloatingTypes);
  check_device("swiglu", "gate_up", gate_up, context);
  check_device("swiglu", "out", out, context);
  switch (context.device.kind) {
    case DeviceKind::kCpu: return cpu::swiglu(context, gate_up, out);
    case DeviceKind::kCuda: return cuda_kernels().swiglu(context, gate_up, out);
  }
}

}  // namespace lockstep
