#include "core/buffer.h"

#include "core/cuda_api.h"
#include "core/cuda_module.h"
#include "core/error.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>
#include <utility>

namespace lockstep {
namespace {

constexpr int64_t kAlignment = 64;
constexpr int64_t kHugePage = int64_t{2} << 20;

// Of host memory; the CUDA module keeps the account of its own.
std::atomic<int64_t> host_held{0}, host_peak{0};

void count_host(int64_t bytes) {
  const int64_t now = host_held.fetch_add(bytes) + bytes;
  int64_t peak = host_peak.load();
  while (peak < now && !host_peak.compare_exchange_weak(peak, now)) {}
}

// Large blocks start on a huge page and ask for huge pages as far as whole ones reach, so that streaming over weights
// misses the TLB rarely and the rest of the last page is not held for nothing.
void* allocate_host(int64_t bytes) {
  const bool is_large = bytes >= kHugePage;
  void* data = nullptr;
  if (posix_memalign(&data, static_cast<size_t>(is_large ? kHugePage : kAlignment), static_cast<size_t>(bytes)) != 0) {
    throw OutOfMemory({__FILE__, __LINE__, ""}, bytes,
                      fmt::format("cannot allocate {} bytes of host memory; {} bytes are held already", bytes,
                                  allocated_bytes(DeviceKind::kCpu)));
  }
  if (is_large) madvise(data, static_cast<size_t>(bytes / kHugePage * kHugePage), MADV_HUGEPAGE);  // a hint: may fail
  return data;
}

// Anonymous pages that are given back read as zero, and cost memory and time only once they are written.
void zero_host(void* data, int64_t bytes) {
  const int64_t whole = bytes / kHugePage * kHugePage;
  const bool is_given_back = whole > 0 && madvise(data, static_cast<size_t>(whole), MADV_DONTNEED) == 0;
  const int64_t begin = is_given_back ? whole : 0;
  std::memset(static_cast<char*>(data) + begin, 0, static_cast<size_t>(bytes - begin));
}

}  // namespace

Buffer::Buffer(int64_t bytes, Device device) : bytes_(bytes), device_(device) {
  LS_CHECK(bytes >= 0, "a buffer of {} bytes", bytes);
  if (bytes == 0) return;
  if (device.kind == DeviceKind::kCuda) {
    data_ = cuda_core().allocate(bytes, device);
    return;
  }
  data_ = allocate_host(bytes);
  count_host(bytes);
}

Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)), device_(other.device_) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  std::swap(device_, other.device_);
  return *this;
}

Buffer::~Buffer() {
  if (data_ == nullptr) return;
  if (device_.kind == DeviceKind::kCuda) {
    cuda_core().deallocate(data_, device_);
    return;
  }
  std::free(data_);
  count_host(-bytes_);
}

void Buffer::fill_zero() {
  if (data_ == nullptr) return;
  if (device_.kind == DeviceKind::kCpu) {
    zero_host(data_, bytes_);
  } else {
    cuda_core().fill_zero(data_, bytes_, device_);
  }
}

TensorView Buffer::view(DType dtype, Shape shape) const { return view(dtype, shape, 0); }

TensorView Buffer::view(DType dtype, Shape shape, int64_t byte_offset) const {
  const int64_t needed = shape.num_elements() * size_of(dtype);
  LS_REQUIRE(ShapeError, byte_offset >= 0 && byte_offset + needed <= bytes_,
             "{} {} at byte {} does not fit into a buffer of {} bytes", name_of(dtype), shape.to_string(), byte_offset,
             bytes_);
  return {static_cast<char*>(data_) + byte_offset, dtype, shape, device_};
}

int64_t allocated_bytes(DeviceKind kind) {
  if (kind == DeviceKind::kCuda) return cuda_is_loaded() ? cuda_core().allocated_bytes() : 0;
  return host_held.load();
}

int64_t peak_allocated_bytes(DeviceKind kind) {
  if (kind == DeviceKind::kCuda) return cuda_is_loaded() ? cuda_core().peak_allocated_bytes() : 0;
  return host_peak.load();
}

}  // namespace lockstep
