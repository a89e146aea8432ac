#include "kernels/rms_norm.h"

#include "kernels/backends.h"
#include "kernels/check.h"
#include "kernels/cuda_api.h"

namespace lockstep {
namespace {

void check_norm(const char* op, const OpContext& context, ConstTensorView in, ConstTensorView weight,
                ConstTensorView out) {
  check_context(op, context);
  check_shape(op, "in", in, {-1, -1});
  check_shape(op, "weight", weight, {in.size(1)});
  check_shape(op, "out", out, {in.size(0), in.size(1)});
  check_dtype(op, "in", in, {DType::kF32});
  check_dtype(op, "weight", weight, kFloatingTypes);
  check_dtype(op, "out", out, kFloatingTypes);
  check_device(op, "in", in, context);
  check_device(op, "weight", weight, context);
  check_device(op, "out", out, context);
  LS_REQUIRE(ShapeError, in.size(1) > 0, "{}: rows have no elements", op);
}

}  // namespace

void rms_norm(const OpContext& context, ConstTensorView in, ConstTensorView weight, float eps, TensorView out) {
  check_norm("rms_norm", context, in, weight, out);
  switch (context.device.kind) {
    case DeviceKind::kCpu: return cpu::rms_norm(context, in, weight, eps, out);
    case DeviceKind::kCuda: return cuda_kernels().rms_norm(context, in, weight, eps, out);
  }
}

void add_rms_norm(const OpContext& context, TensorView residual, ConstTensorView delta, ConstTensorView weight,
                  float eps, TensorView out) {
  check_norm("add_rms_norm", context, residual, weight, out);
  check_shape("add_rms_norm", "delta", delta, {residual.size(0), residual.size(1)});
  check_dtype("add_rms_norm", "delta", delta, {DType::kF32});
  check_device("add_rms_norm", "delta", delta, context);
  switch (context.device.kind) {
    case DeviceKind::kCpu: return cpu::add_rms_norm(context, residual, delta, weight, eps, out);
    case DeviceKind::kCuda: return cuda_kernels().add_rms_norm(context, residual, delta, weight, eps, out);
  }
}

}  // namespace lockstep
