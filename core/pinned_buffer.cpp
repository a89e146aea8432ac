#include "core/pinned_buffer.h"

#include "core/cuda_api.h"
#include "core/error.h"

#include <atomic>
#include <cstdlib>
#include <utility>

namespace lockstep {
namespace {

std::atomic<int64_t> held{0}, peak{0};

void count(int64_t bytes) {
  const int64_t now = held.fetch_add(bytes) + bytes;
  int64_t seen = peak.load();
  while (seen < now && !peak.compare_exchange_weak(seen, now)) {}
}

}  // namespace

PinnedBuffer::PinnedBuffer(int64_t bytes, Device device) : bytes_(bytes), is_locked_(device.kind == DeviceKind::kCuda) {
  LS_CHECK(bytes >= 0, "a pinned buffer of {} bytes", bytes);
  if (bytes == 0) return;
  if (is_locked_) {
    data_ = cuda_core().allocate_pinned(bytes);
    count(bytes);
    return;
  }
  constexpr size_t kAlignment = 64;
  data_ = std::aligned_alloc(kAlignment, (static_cast<size_t>(bytes) + kAlignment - 1) / kAlignment * kAlignment);
  if (data_ == nullptr) {
    throw OutOfMemory({__FILE__, __LINE__, ""}, bytes, fmt::format("cannot allocate {} bytes of host memory", bytes));
  }
}

PinnedBuffer::PinnedBuffer(PinnedBuffer&& other) noexcept { *this = std::move(other); }

PinnedBuffer& PinnedBuffer::operator=(PinnedBuffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  std::swap(is_locked_, other.is_locked_);
  return *this;
}

PinnedBuffer::~PinnedBuffer() {
  if (data_ == nullptr) return;
  if (is_locked_) {
    cuda_core().deallocate_pinned(data_);
    count(-bytes_);
  } else {
    std::free(data_);
  }
}

int64_t pinned_bytes() { return held.load(); }
int64_t peak_pinned_bytes() { return peak.load(); }

}  // namespace lockstep
