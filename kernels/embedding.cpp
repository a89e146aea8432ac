#include "kernels/embedding.h"

#include "kernels/backends.h"
#include "kernels/check.h"
#include "kernels/cuda_api.h"

namespace lockstep {

void embedding(const OpContext& context, ConstTensorView ids, ConstTensorView table, int64_t vocab_begin,
               TensorView out) {
  check_context("embedding", context);
  check_shape("embedding", "ids", ids, {-1});
  check_shape("embedding", "table", table, {-1, -1});
  check_shape("embedding", "out", out, {ids.size(0), table.size(1)});
  check_dtype("embedding", "ids", ids, {DType::kI32});
  check_dtype("embedding", "table", table, kFloatingTypes);
  check_dtype("embedding", "out", out, {DType::kF32});
  check_device("embedding", "ids", ids, context);
  check_device("embedding", "table", table, context);
  check_device("embedding", "out", out, context);
  switch (context.device.kind) {
    case DeviceKind::kCpu: return cpu::embedding(context, ids, table, vocab_begin, out);
    case DeviceKind::kCuda: return cuda_kernels().embedding(context, ids, table, vocab_begin, out);
  }
}

}  // namespace lockstep
