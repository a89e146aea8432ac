// Copies between host and device memory, in the order of a stream.
#pragma once

#include "core/stream.h"

#include <cstdint>

namespace lockstep {

/// Enqueues the copy of `bytes` on `stream`; host and device addresses in any combination. On a CPU stream it is host
/// work. The memory must stay valid until the stream is behind it; a host side that is not pinned
/// (core/pinned_buffer.h) makes the call wait.
void copy_async(Stream& stream, void* to, const void* from, int64_t bytes);

/// The same for `rows` rows of `width` bytes each: row i lies at to + i * to_pitch and from + i * from_pitch.
/// Units: bytes. Throws: Error unless both pitches are at least `width` (0 or 1 rows: any pitch).
void copy_2d_async(Stream& stream, void* to, int64_t to_pitch, const void* from, int64_t from_pitch, int64_t width,
                   int64_t rows);

}  // namespace lockstep
