// Copies of host tensors in another element type.
#pragma once

#include "core/buffer.h"
#include "core/tensor_view.h"

namespace lockstep {

/// A contiguous host copy of `source` (host memory, outer axes may be strided) as `dtype`, rounded to nearest even.
/// Throws: DTypeError for integer types.
Buffer convert_to_host(ConstTensorView source, DType dtype);

}  // namespace lockstep
