#include "core/copy.h"

#include "core/cuda_api.h"
#include "core/error.h"

#include <cstddef>
#include <cstring>

namespace lockstep {

void copy_async(Stream& stream, void* to, const void* from, int64_t bytes) {
  if (bytes == 0) return;
  if (stream.device().kind == DeviceKind::kCuda) return cuda_core().copy_async(stream, to, from, bytes);
  stream.enqueue([=] { std::memcpy(to, from, static_cast<size_t>(bytes)); });
}

void copy_2d_async(Stream& stream, void* to, int64_t to_pitch, const void* from, int64_t from_pitch, int64_t width,
                   int64_t rows) {
  LS_CHECK(width >= 0 && rows >= 0, "a copy of {} rows of {} bytes", rows, width);
  if (width == 0 || rows == 0) return;
  if (rows == 1) return copy_async(stream, to, from, width);
  LS_CHECK(to_pitch >= width && from_pitch >= width, "a copy of rows of {} bytes at pitches of {} and {} bytes", width,
           to_pitch, from_pitch);
  if (to_pitch == width && from_pitch == width) return copy_async(stream, to, from, width * rows);
  if (stream.device().kind == DeviceKind::kCuda) {
    return cuda_core().copy_2d_async(stream, to, to_pitch, from, from_pitch, width, rows);
  }
  stream.enqueue([=] {
    for (int64_t row = 0; row < rows; ++row) {
      std::memcpy(static_cast<std::byte*>(to) + row * to_pitch, static_cast<const std::byte*>(from) + row * from_pitch,
                  static_cast<size_t>(width));
    }
  });
}

}  // namespace lockstep
