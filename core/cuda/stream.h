// CUDA streams inside the module; see core/stream.h.
#pragma once

#include "core/stream_impl.h"

#include <cstdint>
#include <memory>

namespace lockstep::cuda {

std::unique_ptr<Stream::Impl> make_stream(Device device);
void copy_async(Stream& stream, void* to, const void* from, int64_t bytes);

}  // namespace lockstep::cuda
