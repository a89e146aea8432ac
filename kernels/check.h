// Argument checks shared by the operations: each message names the operation, the argument, what it is and should be.
#pragma once

#include "core/tensor_view.h"
#include "kernels/context.h"

#include <initializer_list>
#include <string_view>

namespace lockstep {

/// Throws ShapeError unless `view` has exactly this shape; -1 accepts any size of an axis.
void check_shape(std::string_view op, std::string_view name, const ConstTensorView& view,
                 std::initializer_list<int64_t> expected);

/// Throws DTypeError unless `view` holds one of the accepted types.
void check_dtype(std::string_view op, std::string_view name, const ConstTensorView& view,
                 std::initializer_list<DType> accepted);

/// Throws ShapeError unless every axis but the first is contiguous.
void check_dense_rows(std::string_view op, std::string_view name, const ConstTensorView& view);

/// Throws Error unless a CPU context has threads and a CUDA context a stream; ConfigError if this machine lacks its
/// instruction-set level.
void check_context(std::string_view op, const OpContext& context);

/// Throws Error unless `view` lies on the context's device.
void check_device(std::string_view op, std::string_view name, const ConstTensorView& view, const OpContext& context);

inline constexpr std::initializer_list<DType> kFloatingTypes = {DType::kF32, DType::kF16, DType::kBF16};

}  // namespace lockstep
