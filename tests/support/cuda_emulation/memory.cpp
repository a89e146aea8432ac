// Memory of the emulated devices, and copies.
#include "tests/support/cuda_emulation/runtime.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

using namespace lockstep::emulation;

namespace {

constexpr size_t kAlignment = 256;                    // what cudaMalloc promises
constexpr size_t kMaxFilledBytes = size_t{16} << 20;  // more would cost the memory that a large pool never touches

void* allocate(size_t bytes) {
  void* data = nullptr;
  return posix_memalign(&data, kAlignment, bytes) == 0 ? data : nullptr;
}

struct Copy {
  void* to;
  size_t to_pitch;
  const void* from;
  size_t from_pitch, width, height;

  void run() const {
    if (to_pitch == width && from_pitch == width) {
      std::memmove(to, from, width * height);
      return;
    }
    for (size_t row = 0; row < height; ++row) {
      std::memmove(static_cast<char*>(to) + row * to_pitch, static_cast<const char*>(from) + row * from_pitch, width);
    }
  }
};

bool fits(cudaMemcpyKind kind, bool to_device, bool from_device) {
  switch (kind) {
    case cudaMemcpyHostToHost: return !to_device && !from_device;
    case cudaMemcpyHostToDevice: return to_device && !from_device;
    case cudaMemcpyDeviceToHost: return !to_device && from_device;
    case cudaMemcpyDeviceToDevice: return to_device && from_device;
    case cudaMemcpyDefault: return true;
  }
  return false;
}

cudaError_t copy(Copy what, cudaMemcpyKind kind, cudaStream_t handle, bool is_synchronous) {
  if (const cudaError_t status = check_call(); status != cudaSuccess) return status;
  if (what.width > what.to_pitch || what.width > what.from_pitch) return report(cudaErrorInvalidPitchValue);
  Lock lock(runtime().mutex);
  const auto stream = find_stream(lock, handle);
  if (stream == nullptr) return report(cudaErrorInvalidResourceHandle);
  if (is_synchronous) {
    if (const cudaError_t status = check_uncaptured(lock); status != cudaSuccess) return report(status);
  }
  if (what.width == 0 || what.height == 0) return cudaSuccess;
  if (what.to == nullptr || what.from == nullptr) return report(cudaErrorInvalidValue);
  const MemoryKind to = kind_of(lock, what.to, (what.height - 1) * what.to_pitch + what.width);
  const MemoryKind from = kind_of(lock, what.from, (what.height - 1) * what.from_pitch + what.width);
  const bool to_device = to == MemoryKind::kDevice, from_device = from == MemoryKind::kDevice;
  if (to == MemoryKind::kOutOfBounds || from == MemoryKind::kOutOfBounds || !fits(kind, to_device, from_device)) {
    return report(cudaErrorInvalidValue);
  }

  // As CUDA does, pageable memory is staged: read before the call returns, written before it returns.
  const bool is_captured = stream->capture != nullptr;
  Work work = [what] { what.run(); };
  if (!is_captured && from == MemoryKind::kPageable && to_device) {
    auto staged = std::make_shared<std::vector<char>>(what.width * what.height);
    Copy{staged->data(), what.width, what.from, what.from_pitch, what.width, what.height}.run();
    what.from = staged->data();
    what.from_pitch = what.width;
    work = [what, staged] { what.run(); };
  }
  if (const cudaError_t status = submit(lock, *stream, std::move(work)); status != cudaSuccess) return report(status);
  const bool waits = (is_synchronous && !(to_device && from_device)) || to == MemoryKind::kPageable;
  if (waits && !is_captured) drive(lock, *stream, stream->submitted);
  return cudaSuccess;
}

cudaError_t add_pinned(void** data, size_t bytes) {
  if (const cudaError_t status = check_call(); status != cudaSuccess) return status;
  const Lock lock(runtime().mutex);
  if (const cudaError_t status = check_uncaptured(lock); status != cudaSuccess) return report(status);
  *data = nullptr;
  if (bytes == 0) return cudaSuccess;
  *data = allocate(bytes);
  if (*data == nullptr) return report(cudaErrorMemoryAllocation);
  runtime().allocations[reinterpret_cast<uintptr_t>(*data)] = {bytes, MemoryKind::kPinned, current_device(), false};
  return cudaSuccess;
}

/// Forgets an allocation, after the work that may use it.
cudaError_t remove(void* data, MemoryKind kind, bool is_registered, cudaError_t if_missing) {
  if (data == nullptr && !is_registered) return cudaSuccess;
  if (const cudaError_t status = check_call(); status != cudaSuccess) return status;
  Lock lock(runtime().mutex);
  if (const cudaError_t status = check_uncaptured(lock); status != cudaSuccess) return report(status);
  const auto found = runtime().allocations.find(reinterpret_cast<uintptr_t>(data));
  if (found == runtime().allocations.end() || found->second.kind != kind ||
      found->second.is_registered != is_registered) {
    return report(if_missing);
  }
  drive_device(lock, found->second.device);
  if (kind == MemoryKind::kDevice) runtime().bytes_in_use[found->second.device] -= found->second.bytes;
  runtime().allocations.erase(found);
  if (!is_registered) std::free(data);
  return cudaSuccess;
}

cudaError_t set(void* data, int value, size_t bytes, cudaStream_t handle) {
  if (const cudaError_t status = check_call(); status != cudaSuccess) return status;
  if (bytes == 0) return cudaSuccess;
  Lock lock(runtime().mutex);
  const auto stream = find_stream(lock, handle);
  if (stream == nullptr) return report(cudaErrorInvalidResourceHandle);
  const MemoryKind kind = kind_of(lock, data, bytes);
  if (kind != MemoryKind::kDevice && kind != MemoryKind::kPinned) return report(cudaErrorInvalidValue);
  return report(submit(lock, *stream, [=] { std::memset(data, value, bytes); }));
}

}  // namespace

namespace lockstep::emulation {

size_t device_bytes() {
  const char* text = std::getenv("LOCKSTEP_EMULATED_MEMORY");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : size_t{4} << 30;
}

MemoryKind kind_of(const Lock&, const void* data, size_t bytes) {
  const auto first = reinterpret_cast<uintptr_t>(data);
  const auto& allocations = runtime().allocations;
  const auto after = allocations.upper_bound(first);
  if (after != allocations.begin()) {
    const auto& [start, allocation] = *std::prev(after);
    if (first < start + allocation.bytes) {
      return first + bytes <= start + allocation.bytes ? allocation.kind : MemoryKind::kOutOfBounds;
    }
  }
  return after != allocations.end() && after->first < first + bytes ? MemoryKind::kOutOfBounds : MemoryKind::kPageable;
}

}  // namespace lockstep::emulation

cudaError_t cudaMalloc(void** data, size_t bytes) {
  if (const cudaError_t status = check_call(); status != cudaSuccess) return status;
  if (data == nullptr) return report(cudaErrorInvalidValue);
  const Lock lock(runtime().mutex);
  if (const cudaError_t status = check_uncaptured(lock); status != cudaSuccess) return report(status);
  *data = nullptr;
  if (bytes == 0) return cudaSuccess;
  size_t& in_use = runtime().bytes_in_use[current_device()];
  if (in_use > device_bytes() || bytes > device_bytes() - in_use) return report(cudaErrorMemoryAllocation);
  *data = allocate(bytes);
  if (*data == nullptr) return report(cudaErrorMemoryAllocation);
  std::memset(*data, 0xff, std::min(bytes, kMaxFilledBytes));
  in_use += bytes;
  runtime().allocations[reinterpret_cast<uintptr_t>(*data)] = {bytes, MemoryKind::kDevice, current_device(), false};
  return cudaSuccess;
}

cudaError_t cudaFree(void* data) { return remove(data, MemoryKind::kDevice, false, cudaErrorInvalidValue); }

cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total_bytes) {
  if (const cudaError_t status = check_call(); status != cudaSuccess) return status;
  const Lock lock(runtime().mutex);
  *total_bytes = device_bytes();
  *free_bytes = *total_bytes - std::min(*total_bytes, runtime().bytes_in_use[current_device()]);
  return cudaSuccess;
}

cudaError_t cudaHostAlloc(void** data, size_t bytes, unsigned int) { return add_pinned(data, bytes); }
cudaError_t cudaMallocHost(void** data, size_t bytes) { return add_pinned(data, bytes); }
cudaError_t cudaFreeHost(void* data) { return remove(data, MemoryKind::kPinned, false, cudaErrorInvalidValue); }

cudaError_t cudaHostRegister(void* data, size_t bytes, unsigned int) {
  if (const cudaError_t status = check_call(); status != cudaSuccess) return status;
  if (data == nullptr || bytes == 0) return report(cudaErrorInvalidValue);
  const Lock lock(runtime().mutex);
  if (const cudaError_t status = check_uncaptured(lock); status != cudaSuccess) return report(status);
  if (kind_of(lock, data, bytes) != MemoryKind::kPageable) return report(cudaErrorHostMemoryAlreadyRegistered);
  runtime().allocations[reinterpret_cast<uintptr_t>(data)] = {bytes, MemoryKind::kPinned, current_device(), true};
  return cudaSuccess;
}

cudaError_t cudaHostUnregister(void* data) {
  return remove(data, MemoryKind::kPinned, true, cudaErrorHostMemoryNotRegistered);
}

cudaError_t cudaHostGetDevicePointer(void** device_data, void* data, unsigned int) {
  if (const cudaError_t status = check_call(); status != cudaSuccess) return status;
  const Lock lock(runtime().mutex);
  if (kind_of(lock, data, 1) != MemoryKind::kPinned) return report(cudaErrorInvalidValue);
  *device_data = data;
  return cudaSuccess;
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* data) {
  if (const cudaError_t status = check_call(); status != cudaSuccess) return status;
  const Lock lock(runtime().mutex);
  const MemoryKind kind = kind_of(lock, data, 1);
  void* const address = const_cast<void*>(data);
  *attributes = {cudaMemoryTypeUnregistered, -2, nullptr, address};  // -2: CUDA's word for no device
  if (kind == MemoryKind::kPageable) return cudaSuccess;
  const auto after = runtime().allocations.upper_bound(reinterpret_cast<uintptr_t>(data));
  attributes->device = std::prev(after)->second.device;
  attributes->devicePointer = address;
  attributes->type = kind == MemoryKind::kDevice ? cudaMemoryTypeDevice : cudaMemoryTypeHost;
  if (kind == MemoryKind::kDevice) attributes->hostPointer = nullptr;
  return cudaSuccess;
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  return copy({to, bytes, from, bytes, bytes, 1}, kind, nullptr, true);
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  return copy({to, bytes, from, bytes, bytes, 1}, kind, stream, false);
}

cudaError_t cudaMemcpyPeerAsync(void* to, int, const void* from, int, size_t bytes, cudaStream_t stream) {
  return copy({to, bytes, from, bytes, bytes, 1}, cudaMemcpyDeviceToDevice, stream, false);
}

cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width,
                              size_t height, cudaMemcpyKind kind, cudaStream_t stream) {
  return copy({to, to_pitch, from, from_pitch, width, height}, kind, stream, false);
}

cudaError_t cudaMemset(void* data, int value, size_t bytes) { return set(data, value, bytes, nullptr); }

cudaError_t cudaMemsetAsync(void* data, int value, size_t bytes, cudaStream_t stream) {
  return set(data, value, bytes, stream);
}
