// What the tests of CUDA bodies share: a context on device 0, and arrays in its memory. The device is a GPU or the
// emulation (tests/support/device_main.cpp).
#pragma once

#include "core/buffer.h"
#include "core/copy.h"
#include "kernels/op_state.h"
#include "tests/kernels/op_support.h"

#include <cstdint>
#include <cstring>
#include <vector>

namespace lockstep::test {

/// A context with stream and state of its own.
class CudaContext {
 public:
  CudaContext() : stream_(Stream::cuda(Device::cuda(0))), state_(make_op_state(Device::cuda(0))), threads_(1) {
    context_ = {.device = Device::cuda(0), .stream = &stream_, .threads = &threads_, .state = state_.get()};
  }
  operator const OpContext&() const { return context_; }  // NOLINT: implicit on purpose
  Stream& stream() { return stream_; }
  void synchronize() { stream_.synchronize(); }

 private:
  Stream stream_;
  std::unique_ptr<OpState> state_;
  ThreadPool threads_;
  OpContext context_;
};

/// An array on device 0, of exactly its size.
class DeviceArray {
 public:
  DeviceArray(CudaContext& context, DType dtype, int64_t count)
      : context_(context), dtype_(dtype), count_(count), buffer_(count * size_of(dtype), Device::cuda(0)) {
    std::vector<std::byte> noise(static_cast<size_t>(buffer_.bytes()), std::byte{0xff});  // NaN in every type
    upload(noise.data());
  }
  DeviceArray(CudaContext& context, DType dtype, const std::vector<float>& values)
      : DeviceArray(context, dtype, static_cast<int64_t>(values.size())) {
    TypedArray host(dtype, values);
    upload(host.view({count_}).data());
  }
  DeviceArray(CudaContext& context, const std::vector<int32_t>& values)
      : DeviceArray(context, DType::kI32, static_cast<int64_t>(values.size())) {
    upload(values.data());
  }

  TensorView view(Shape shape) const { return buffer_.view(dtype_, shape); }
  void* data() const { return buffer_.data(); }
  int64_t bytes() const { return buffer_.bytes(); }
  void upload(const void* data) {
    copy_async(context_.stream(), buffer_.data(), data, buffer_.bytes());
    context_.synchronize();
  }
  /// The raw bytes, after everything enqueued so far.
  std::vector<std::byte> download() const {
    std::vector<std::byte> bytes(static_cast<size_t>(buffer_.bytes()));
    copy_async(context_.stream(), bytes.data(), buffer_.data(), buffer_.bytes());
    context_.synchronize();
    return bytes;
  }
  /// Elements as the floats that they stand for.
  std::vector<float> floats() const {
    const std::vector<std::byte> bytes = download();
    std::vector<float> values(static_cast<size_t>(count_));
    visit_floating(dtype_, [&]<class T>() {
      for (size_t i = 0; i < values.size(); ++i) values[i] = to_float(reinterpret_cast<const T*>(bytes.data())[i]);
    });
    return values;
  }
  std::vector<int32_t> integers() const {
    const std::vector<std::byte> bytes = download();
    std::vector<int32_t> values(static_cast<size_t>(count_));
    if (!bytes.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }

 private:
  CudaContext& context_;
  DType dtype_;
  int64_t count_;
  Buffer buffer_;
};

}  // namespace lockstep::test
