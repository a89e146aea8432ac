// The bodies behind kernels/linear.h: one signature, one namespace per backend. Arguments were checked by linear.cpp.
#pragma once

#include "kernels/linear.h"

namespace lockstep {

using PackLinearFn = LinearWeight(const OpContext& context, std::span<const ConstTensorView> parts,
                                  std::span<const ConstTensorView> biases, SegmentBounds segments);
using PackedLinearBytesFn = int64_t(const OpContext& context, int64_t out_features, DType dtype,
                                    const SegmentBounds& segments);
using LinearFn = void(const OpContext& context, ConstTensorView x, const LinearWeight& weight, TensorView out);

namespace cpu {
PackLinearFn pack_linear_weight;
PackedLinearBytesFn packed_linear_bytes;
LinearFn linear;
}  // namespace cpu

namespace cuda {
PackLinearFn pack_linear_weight;
PackedLinearBytesFn packed_linear_bytes;
LinearFn linear;
}  // namespace cuda

}  // namespace lockstep
