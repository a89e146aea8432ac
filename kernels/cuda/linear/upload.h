// Weights on their way from host memory into the layout of kernels/cuda/linear/layout.h.
#pragma once

#include "kernels/context.h"
#include "kernels/cuda/linear/layout.h"

#include <span>

namespace lockstep::cuda {

/// Writes all of `to` (the layout's packed bytes): parts stacked along the output axis, rows strided, zeros where
/// nothing is. Goes through the library's staging memory, a few MiB at a time; returns when the device holds it all.
void upload_weight(const OpContext& context, std::span<const ConstTensorView> parts, const SegmentBounds& segments,
                   const LinearLayout& layout, void* to);

/// The same for biases, in F32.
void upload_bias(const OpContext& context, std::span<const ConstTensorView> biases, void* to);

}  // namespace lockstep::cuda
