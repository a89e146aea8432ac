// CUDA streams inside the module; see core/stream.h.
#pragma once

#include "core/stream_impl.h"

#include <cstdint>
#include <memory>

namespace lockstep::cuda {

std::unique_ptr<Stream::Impl> make_stream(Device device);
void copy_async(Stream& stream, void* to, const void* from, int64_t bytes);
void copy_2d_async(Stream& stream, void* to, int64_t to_pitch, const void* from, int64_t from_pitch, int64_t width,
                   int64_t rows);

}  // namespace lockstep::cuda
