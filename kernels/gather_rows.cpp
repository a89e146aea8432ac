#include "kernels/gather_rows.h"

#include "kernels/backends.h"
#include "kernels/check.h"
#include "kernels/cuda_api.h"

namespace lockstep {

void gather_rows(const OpContext& context, ConstTensorView in, ConstTensorView rows, TensorView out) {
  check_context("gather_rows", context);
  check_shape("gather_rows", "in", in, {-1, -1});
  check_shape("gather_rows", "rows", rows, {-1});
  check_shape("gather_rows", "out", out, {rows.size(0), in.size(1)});
  check_dtype("gather_rows", "rows", rows, {DType::kI32});
  check_dtype("gather_rows", "out", out, {in.dtype()});
  check_device("gather_rows", "in", in, context);
  check_device("gather_rows", "rows", rows, context);
  check_device("gather_rows", "out", out, context);
  switch (context.device.kind) {
    case DeviceKind::kCpu: return cpu::gather_rows(context, in, rows, out);
    case DeviceKind::kCuda: return cuda_kernels().gather_rows(context, in, rows, out);
  }
}

}  // namespace lockstep
