// Tensors with random values in a context's device memory, for measurements.
#pragma once

#include "core/buffer.h"
#include "core/tensor_view.h"
#include "kernels/context.h"

#include <cstdint>
#include <vector>

namespace lockstep::bench {

/// An owner and its view. Move-only.
struct DeviceTensor {
  DeviceTensor() = default;
  /// Uninitialised.
  DeviceTensor(const OpContext& context, DType dtype, Shape shape);

  Buffer storage;
  TensorView view;
};

struct HostTensor {
  Buffer storage;
  TensorView view;
};

/// Values repeat every million or so: uniform around 0 with that standard deviation.
HostTensor random_on_host(DType dtype, Shape shape, float deviation = 1.0F);
/// The same in the context's device memory; returns after completion. Throws OutOfMemory.
DeviceTensor random_tensor(const OpContext& context, DType dtype, Shape shape, float deviation = 1.0F);
/// Fills device memory with such values.
void fill_random(const OpContext& context, DType dtype, void* data, int64_t count, float deviation = 1.0F);

/// [values.size()] I32 in the context's device memory.
DeviceTensor integers(const OpContext& context, const std::vector<int32_t>& values);
/// `bytes` of host memory copied to the device; returns after completion.
Buffer copy_of(const OpContext& context, const void* data, int64_t bytes);

}  // namespace lockstep::bench
