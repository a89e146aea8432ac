#include "kernels/gather_rows.h"

#include "core/error.h"

#include <cstring>

namespace lockstep {

void gather_rows(const OpContext& context, ConstTensorView in, std::span<const int32_t> rows, TensorView out) {
  LS_REQUIRE(NotCompiled, context.device.kind == DeviceKind::kCpu, "gather_rows has no body for {}",
             context.device.to_string());
  LS_REQUIRE(DTypeError, in.dtype() == out.dtype(), "gather_rows from {} to {}", name_of(in.dtype()),
             name_of(out.dtype()));
  LS_REQUIRE(ShapeError,
             in.rank() == 2 && out.rank() == 2 && in.size(1) == out.size(1) &&
                 out.size(0) == static_cast<int64_t>(rows.size()),
             "gather_rows of {} rows from {} to {}", rows.size(), in.shape().to_string(), out.shape().to_string());
  const int64_t element = size_of(in.dtype());
  for (size_t i = 0; i < rows.size(); ++i) {
    LS_REQUIRE(ShapeError, rows[i] >= 0 && rows[i] < in.size(0), "row {} of {}", rows[i], in.size(0));
    std::memcpy(static_cast<char*>(out.data()) + static_cast<int64_t>(i) * out.stride(0) * element,
                static_cast<const char*>(in.data()) + rows[i] * in.stride(0) * element,
                static_cast<size_t>(in.size(1) * element));
  }
}

}  // namespace lockstep
