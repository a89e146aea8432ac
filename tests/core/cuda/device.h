// What the tests of core/'s CUDA bodies share: device 0, a GPU or the emulation.
#pragma once

#include "core/buffer.h"
#include "core/copy.h"
#include "core/pinned_buffer.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace lockstep::test {

inline const Device kDevice = Device::cuda(0);

/// A pinned buffer of bytes that differ from each other and from those of other seeds.
inline PinnedBuffer pattern(int64_t bytes, int seed) {
  PinnedBuffer buffer(bytes, kDevice);
  for (int64_t i = 0; i < bytes; ++i) buffer.as<unsigned char>()[i] = static_cast<unsigned char>(i * 7 + seed);
  return buffer;
}

inline bool equal(const PinnedBuffer& a, const PinnedBuffer& b) {
  return a.bytes() == b.bytes() && std::memcmp(a.data(), b.data(), static_cast<size_t>(a.bytes())) == 0;
}

/// The bytes of device memory, after everything that was enqueued on `stream`.
inline PinnedBuffer fetch(Stream& stream, const Buffer& buffer) {
  PinnedBuffer bytes(buffer.bytes(), kDevice);
  copy_async(stream, bytes.data(), buffer.data(), bytes.bytes());
  stream.synchronize();
  return bytes;
}

}  // namespace lockstep::test
