#include "kernels/check.h"

#include <algorithm>
#include <string>

namespace lockstep {

void check_shape(std::string_view op, std::string_view name, const ConstTensorView& view,
                 std::initializer_list<int64_t> expected) {
  bool fits = view.rank() == static_cast<int>(expected.size());
  int axis = 0;
  for (const int64_t size : expected) {
    if (!fits) break;
    fits = size == -1 || view.size(axis) == size;
    ++axis;
  }
  if (fits) return;
  std::string text;
  for (const int64_t size : expected) {
    if (!text.empty()) text += ", ";
    text += size == -1 ? "any" : std::to_string(size);
  }
  LS_THROW(ShapeError, "{}: {} has shape {}, expected [{}]", op, name, view.shape().to_string(), text);
}

void check_dtype(std::string_view op, std::string_view name, const ConstTensorView& view,
                 std::initializer_list<DType> accepted) {
  if (std::find(accepted.begin(), accepted.end(), view.dtype()) != accepted.end()) return;
  std::string text;
  for (const DType dtype : accepted) {
    if (!text.empty()) text += ", ";
    text += name_of(dtype);
  }
  LS_THROW(DTypeError, "{}: {} holds {}; accepted: {}", op, name, name_of(view.dtype()), text);
}

void check_dense_rows(std::string_view op, std::string_view name, const ConstTensorView& view) {
  int64_t expected = 1;
  for (int axis = view.rank() - 1; axis > 0; --axis) {
    LS_REQUIRE(ShapeError, view.size(axis) <= 1 || view.stride(axis) == expected,
               "{}: {} of shape {} has stride {} on axis {}, expected {}: only the first axis may be strided", op, name,
               view.shape().to_string(), view.stride(axis), axis, expected);
    expected *= view.size(axis);
  }
}

void check_context(std::string_view op, const OpContext& context) {
  if (context.device.kind == DeviceKind::kCuda) {
    LS_CHECK(context.stream != nullptr, "{} on {} without a stream", op, context.device.to_string());
    return;
  }
  LS_CHECK(context.threads != nullptr, "{} on the CPU without a thread pool", op);
  LS_REQUIRE(ConfigError, context.isa <= detect_cpu_isa(),
             "{}: instruction set '{}' was asked for, but this machine runs at most '{}'", op, name_of(context.isa),
             name_of(detect_cpu_isa()));
}

void check_device(std::string_view op, std::string_view name, const ConstTensorView& view, const OpContext& context) {
  LS_CHECK(view.device() == context.device, "{}: {} lies on {}, the operation runs on {}", op, name,
           view.device().to_string(), context.device.to_string());
}

}  // namespace lockstep
