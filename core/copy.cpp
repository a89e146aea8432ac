#include "core/copy.h"

#include "core/cuda_api.h"

#include <cstring>

namespace lockstep {

void copy_async(Stream& stream, void* to, const void* from, int64_t bytes) {
  if (bytes == 0) return;
  if (stream.device().kind == DeviceKind::kCuda) return cuda_core().copy_async(stream, to, from, bytes);
  stream.enqueue([=] { std::memcpy(to, from, static_cast<size_t>(bytes)); });
}

}  // namespace lockstep
