// What core/ needs of the CUDA module: devices, memory, copies, streams, graphs, times. Bodies in core/cuda/.
//
// Callers use Buffer, PinnedBuffer, Stream, Graph, Tracer, copy_async instead of this table.
#pragma once

#include "core/device.h"
#include "core/stream.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace lockstep {

struct CudaDeviceInfo {
  std::string name, pci_bus_id;
  int64_t total_bytes = 0, free_bytes = 0;  // free: now, arena of this process included
  int32_t multiprocessors = 0, compute_major = 0, compute_minor = 0;
  int32_t driver_version = 0, runtime_version = 0;  // 1000 * major + 10 * minor
};

/// A recorded sequence of device work.
class GraphImpl {
 public:
  virtual ~GraphImpl() = default;
  virtual void launch(Stream& stream) = 0;
};

/// Points in a device's streams with their times, for traces (core/trace.h). One thread at a time.
class TimedMarks {
 public:
  static constexpr int32_t kNone = -1;

  virtual ~TimedMarks() = default;
  /// Marks the end of what was enqueued on `stream` so far. kNone while the stream is captured, and on an error, which
  /// the stream's user will meet.
  virtual int32_t record(Stream& stream) noexcept = 0;
  /// Never waits.
  virtual bool is_reached(int32_t mark) const = 0;
  /// Of a mark that was reached: nanoseconds of the host's steady clock.
  virtual int64_t time_of(int32_t mark) const = 0;
  /// The mark may be given out again. kNone is passed over.
  virtual void release(int32_t mark) noexcept = 0;
  /// Every few seconds compares the device's clock with the host's again; a few microseconds' work then. Not while a
  /// graph is recorded.
  virtual void keep_time() = 0;
};

/// One function of core/ on CUDA each. All may throw CudaError unless they are noexcept.
struct CudaCoreApi {
  /// Usable devices; if none, `why_not` gets the runtime's words. Never throws.
  int32_t (*device_count)(std::string* why_not) noexcept;
  CudaDeviceInfo (*device_info)(Device device);
  /// From the device's arena (core/cuda/arena.h), aligned to 256 bytes. Throws OutOfMemory naming the request, what the
  /// arena holds and what the device has free.
  void* (*allocate)(int64_t bytes, Device device);
  void (*deallocate)(void* data, Device device) noexcept;
  /// Bytes handed out by allocate() on all devices, now and at most.
  int64_t (*allocated_bytes)() noexcept;
  int64_t (*peak_allocated_bytes)() noexcept;
  void (*fill_zero)(void* data, int64_t bytes, Device device);  // returns after completion
  /// Page-locked host memory, usable by all devices. Throws OutOfMemory.
  void* (*allocate_pinned)(int64_t bytes);
  void (*deallocate_pinned)(void* data) noexcept;
  std::unique_ptr<Stream::Impl> (*make_stream)(Device device);
  /// Enqueues a copy; the addresses tell the direction.
  void (*copy_async)(Stream& stream, void* to, const void* from, int64_t bytes);
  void (*copy_2d_async)(Stream& stream, void* to, int64_t to_pitch, const void* from, int64_t from_pitch, int64_t width,
                        int64_t rows);
  /// Records what `work` enqueues on `stream` without running it.
  std::unique_ptr<GraphImpl> (*capture)(Stream& stream, const std::function<void()>& work);
  std::unique_ptr<TimedMarks> (*make_timed_marks)(Device device);
  /// NVTX: a range of this thread in NVIDIA's profilers, from push to pop. `name` is a literal.
  void (*range_push)(const char* name) noexcept;
  void (*range_pop)() noexcept;
};

/// Throws NotCompiled where the module is not there.
const CudaCoreApi& cuda_core();

}  // namespace lockstep
