#include "kernels/fill_tokens.h"

#include "kernels/backends.h"
#include "kernels/check.h"
#include "kernels/cuda_api.h"

namespace lockstep {
namespace {

void check_tokens(const char* name, ConstTensorView tokens, int64_t size, const OpContext& context) {
  check_shape("fill_tokens", name, tokens, {size});
  check_dtype("fill_tokens", name, tokens, {DType::kI32});
  check_device("fill_tokens", name, tokens, context);
  LS_REQUIRE(ShapeError, tokens.is_contiguous(), "fill_tokens: {} has stride {}, expected 1", name, tokens.stride(0));
}

}  // namespace

void fill_tokens(const OpContext& context, ConstTensorView ids, ConstTensorView sources, ConstTensorView sampled,
                 TensorView out) {
  check_context("fill_tokens", context);
  check_tokens("ids", ids, -1, context);
  check_tokens("sources", sources, ids.size(0), context);
  check_tokens("sampled", sampled, -1, context);
  check_tokens("out", out, ids.size(0), context);
  switch (context.device.kind) {
    case DeviceKind::kCpu: return cpu::fill_tokens(context, ids, sources, sampled, out);
    case DeviceKind::kCuda: return cuda_kernels().fill_tokens(context, ids, sources, sampled, out);
  }
}

}  // namespace lockstep
