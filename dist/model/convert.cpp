#include "dist/model/convert.h"

#include "core/copy.h"

#include <cstring>

namespace lockstep {
namespace {

template <class From, class To>
void convert_run(const From* from, To* to, int64_t count) {
  if constexpr (std::is_same_v<From, To>) {
    std::memcpy(to, from, static_cast<size_t>(count) * sizeof(To));
  } else {
    for (int64_t i = 0; i < count; ++i) to[i] = from_float<To>(to_float(from[i]));
  }
}

}  // namespace

Buffer convert_to_host(ConstTensorView source, DType dtype) {
  LS_REQUIRE(ShapeError, source.rank() == 1 || source.rank() == 2, "a copy of shape {}: 1 or 2 axes are supported",
             source.shape().to_string());
  Buffer out(source.shape().num_elements() * size_of(dtype));
  const int64_t num_rows = source.rank() == 2 ? source.size(0) : 1;
  const int64_t columns = source.size(source.rank() - 1);
  const int64_t stride = source.rank() == 2 ? source.stride(0) : columns;
  visit_floating(source.dtype(), [&]<class From>() {
    visit_floating(dtype, [&]<class To>() {
      for (int64_t row = 0; row < num_rows; ++row) {
        convert_run(source.as<From>() + row * stride, static_cast<To*>(out.data()) + row * columns, columns);
      }
    });
  });
  return out;
}

Buffer convert_to_device(const OpContext& context, ConstTensorView source, DType dtype) {
  Buffer host = convert_to_host(source, dtype);
  if (context.device.kind == DeviceKind::kCpu) return host;
  Buffer device(host.bytes(), context.device);
  copy_async(*context.stream, device.data(), host.data(), host.bytes());
  context.stream->synchronize();
  return device;
}

}  // namespace lockstep
