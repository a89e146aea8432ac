// Copies between host and device memory, in the order of a stream.
#pragma once

#include "core/stream.h"

#include <cstdint>

namespace lockstep {

/// Enqueues the copy of `bytes` on `stream`; host and device addresses in any combination. On a CPU stream it is host
/// work. The memory must stay valid until the stream is behind it; a host side that is not pinned
/// (core/pinned_buffer.h) makes the call wait.
void copy_async(Stream& stream, void* to, const void* from, int64_t bytes);

}  // namespace lockstep
