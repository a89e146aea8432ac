// Argument checks that every transport makes before it communicates.
#pragma once

#include "dist/communicator.h"

namespace lockstep {

/// For transports that sum in host memory.
/// Throws: ShapeError, DTypeError; NotCompiled for tensors or a context on a CUDA device.
void check_host_all_reduce(const Communicator& communicator, const OpContext& context, const ConstTensorView& partial,
                           const TensorView& out);
/// Throws: CommError.
void check_root(const Communicator& communicator, Rank root);
void check_all_gather(const Communicator& communicator, std::span<const std::byte> in, std::span<std::byte> out);
void check_gather(const Communicator& communicator, std::span<const std::byte> in, std::span<const int64_t> sizes,
                  std::span<std::byte> out, Rank root);

}  // namespace lockstep
