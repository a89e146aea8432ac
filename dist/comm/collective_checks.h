// Argument checks that every transport makes before it communicates.
#pragma once

#include "dist/communicator.h"

namespace lockstep {

/// For a transport that sums in memory of `device`. A CUDA context must have a stream.
/// Throws: ShapeError, DTypeError; NotCompiled for tensors or a context on another device.
void check_all_reduce(const Communicator& communicator, const OpContext& context, Device device,
                      const ConstTensorView& partial, const TensorView& out);
/// The same for all_reduce_add_rms_norm.
void check_sum_and_norm(const Communicator& communicator, const OpContext& context, Device device,
                        const TensorView& partial, const TensorView& residual,
                        const std::optional<ConstTensorView>& bias, const ConstTensorView& weight,
                        const TensorView& out);
/// The same for all_gather_on_device.
void check_device_all_gather(const Communicator& communicator, const OpContext& context, Device device,
                             const ConstTensorView& in, const TensorView& out);
/// Throws: CommError.
void check_root(const Communicator& communicator, Rank root);
void check_all_gather(const Communicator& communicator, std::span<const std::byte> in, std::span<std::byte> out);
void check_gather(const Communicator& communicator, std::span<const std::byte> in, std::span<const int64_t> sizes,
                  std::span<std::byte> out, Rank root);

}  // namespace lockstep
