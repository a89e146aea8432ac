#include "launcher/commands/bench/device_data.h"

#include "core/copy.h"
#include "core/philox.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace lockstep::bench {
namespace {

constexpr int64_t kPeriod = 1048573;  // a prime, so that rows of a matrix differ

template <class T>
void fill_period(T* out, int64_t count, float deviation) {
  const float width = 2.0F * std::sqrt(3.0F) * deviation;  // uniform in (-w / 2, w / 2) deviates by w / sqrt(12)
  for (int64_t i = 0; i < count; ++i) {
    const auto u = static_cast<float>(philox_uniform(/*seed=*/1, static_cast<uint64_t>(i)));
    out[i] = from_float<T>(width * (u - 0.5F));
  }
}

HostTensor one_period(DType dtype, int64_t most, float deviation) {
  const int64_t count = std::min(most, kPeriod);
  HostTensor tensor{Buffer(count * size_of(dtype)), {}};
  tensor.view = tensor.storage.view(dtype, {count});
  visit_floating(dtype, [&]<class T>() { fill_period(tensor.view.as<T>(), count, deviation); });
  return tensor;
}

}  // namespace

DeviceTensor::DeviceTensor(const OpContext& context, DType dtype, Shape shape)
    : storage(shape.num_elements() * size_of(dtype), context.device), view(storage.view(dtype, shape)) {}

HostTensor random_on_host(DType dtype, Shape shape, float deviation) {
  HostTensor tensor{Buffer(shape.num_elements() * size_of(dtype)), {}};
  tensor.view = tensor.storage.view(dtype, shape);
  const HostTensor period = one_period(dtype, shape.num_elements(), deviation);
  const int64_t step = period.storage.bytes();
  for (int64_t at = 0; at < tensor.storage.bytes(); at += step) {
    std::memcpy(static_cast<char*>(tensor.storage.data()) + at, period.storage.data(),
                static_cast<size_t>(std::min(step, tensor.storage.bytes() - at)));
  }
  return tensor;
}

void fill_random(const OpContext& context, DType dtype, void* data, int64_t count, float deviation) {
  const HostTensor period = one_period(dtype, count, deviation);
  const int64_t step = period.storage.bytes(), bytes = count * size_of(dtype);
  for (int64_t at = 0; at < bytes; at += step)
    copy_async(*context.stream, static_cast<char*>(data) + at, period.storage.data(), std::min(step, bytes - at));
  context.stream->synchronize();
}

DeviceTensor random_tensor(const OpContext& context, DType dtype, Shape shape, float deviation) {
  DeviceTensor tensor(context, dtype, shape);
  fill_random(context, dtype, tensor.view.data(), shape.num_elements(), deviation);
  return tensor;
}

DeviceTensor integers(const OpContext& context, const std::vector<int32_t>& values) {
  const auto count = static_cast<int64_t>(values.size());
  DeviceTensor tensor;
  tensor.storage = copy_of(context, values.data(), count * int64_t{sizeof(int32_t)});
  tensor.view = tensor.storage.view(DType::kI32, {count});
  return tensor;
}

Buffer copy_of(const OpContext& context, const void* data, int64_t bytes) {
  Buffer buffer(bytes, context.device);
  copy_async(*context.stream, buffer.data(), data, bytes);
  context.stream->synchronize();
  return buffer;
}

}  // namespace lockstep::bench
