#include "kernels/add_bias.h"

#include "kernels/backends.h"
#include "kernels/check.h"
#include "kernels/cuda_api.h"

namespace lockstep {

void add_bias(const OpContext& context, TensorView x, ConstTensorView bias) {
  check_context("add_bias", context);
  check_shape("add_bias", "x", x, {-1, -1});
  check_shape("add_bias", "bias", bias, {x.size(1)});
  check_dtype("add_bias", "x", x, {DType::kF32});
  check_dtype("add_bias", "bias", bias, {DType::kF32});
  check_device("add_bias", "x", x, context);
  check_device("add_bias", "bias", bias, context);
  switch (context.device.kind) {
    case DeviceKind::kCpu: return cpu::add_bias(context, x, bias);
    case DeviceKind::kCuda: return cuda_kernels().add_bias(context, x, bias);
  }
}

}  // namespace lockstep
