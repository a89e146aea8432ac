// Copies of host tensors in another element type, on the host or on a device.
#pragma once

#include "core/buffer.h"
#include "core/tensor_view.h"
#include "kernels/context.h"

namespace lockstep {

/// A contiguous host copy of `source` (host memory, outer axes may be strided) as `dtype`, rounded to nearest even.
/// Throws: DTypeError for integer types.
Buffer convert_to_host(ConstTensorView source, DType dtype);

/// The same on the context's device; returns after completion.
Buffer convert_to_device(const OpContext& context, ConstTensorView source, DType dtype);

}  // namespace lockstep
