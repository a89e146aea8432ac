#include "kernels/backends.h"
#include "kernels/check.h"
#include "kernels/cuda_api.h"
#include "kernels/sample.h"

#include <cmath>

namespace lockstep {

ArgmaxResult better_of(ArgmaxResult a, ArgmaxResult b) {
  const bool a_is_nan = std::isnan(a.value);
  const bool b_is_nan = std::isnan(b.value);
  if (a_is_nan != b_is_nan) return a_is_nan ? b : a;
  if (!a_is_nan && a.value != b.value) return a.value > b.value ? a : b;
  return a.token <= b.token ? a : b;
}

void argmax_rows(const OpContext& context, ConstTensorView logits, int64_t vocab_begin, std::span<ArgmaxResult> out) {
  check_context("argmax_rows", context);
  check_shape("argmax_rows", "logits", logits, {static_cast<int64_t>(out.size()), -1});
  check_dtype("argmax_rows", "logits", logits, {DType::kF32});
  check_device("argmax_rows", "logits", logits, context);
  LS_REQUIRE(ShapeError, logits.size(1) > 0, "argmax_rows: logits of shape {} have no columns",
             logits.shape().to_string());
  switch (context.device.kind) {
    case DeviceKind::kCpu: return cpu::argmax_rows(context, logits, vocab_begin, out);
    case DeviceKind::kCuda: return cuda_kernels().argmax_rows(context, logits, vocab_begin, out);
  }
}

}  // namespace lockstep
