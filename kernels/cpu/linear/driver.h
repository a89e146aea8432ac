// The CPU matrix product over a given set of inner loops. kernels/linear.h chooses them by instruction set and dtype;
// tests hand in an emulation.
#pragma once

#include "kernels/cpu/linear/panel_layout.h"

#include <span>

namespace lockstep::cpu {

LinearWeight pack_with(const TileKernels& kernels, ThreadPool& threads, std::span<const ConstTensorView> parts,
                       std::span<const ConstTensorView> biases, SegmentBounds segments);

void linear_with(const TileKernels& kernels, ThreadPool& threads, ConstTensorView x, const LinearWeight& weight,
                 TensorView out);

}  // namespace lockstep::cpu
