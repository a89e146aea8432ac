// Ordered queues of device work, and events that order one queue after another.
//
// CPU streams: an inline stream runs work at the call (the compute stream of a CPU rank: operations spread over its
// thread pool themselves); an asynchronous stream has a worker thread that runs tasks in order, so that transfers
// overlap with compute on CPU ranks as they do on GPUs. CUDA bodies stand in core/cuda/, stubs in core/no_cuda/.
// Thread-safety: a Stream may be used by several threads; tasks run in the order of their enqueue calls.
#pragma once

#include "core/device.h"

#include <functional>
#include <memory>
#include <string>

namespace lockstep {

class Event;

/// Move-only owner of a queue. The destructor waits for everything that was enqueued.
class Stream {
 public:
  /// Runs host work at the call, on the calling thread.
  static Stream inline_cpu();
  /// Runs host work in order on a thread of its own. `name` appears in debuggers and traces.
  static Stream async_cpu(const std::string& name);
  /// A non-blocking CUDA stream of `device`. Throws NotCompiled in a CPU build.
  static Stream cuda(Device device);

  Stream(Stream&&) noexcept;
  Stream& operator=(Stream&&) noexcept;
  ~Stream();

  Device device() const;
  /// Appends host work. CPU streams only. A task that throws: the stream skips later tasks, and the next
  /// synchronize(), or synchronize() of an event recorded later on it, rethrows.
  void enqueue(std::function<void()> task);
  /// Work enqueued after this call starts only when `event`'s last recorded point has been reached.
  void wait(const Event& event);
  /// Blocks until all enqueued work is done. Rethrows a task's exception.
  void synchronize();
  /// The cudaStream_t of a CUDA stream, else nullptr.
  void* native() const;

  struct Impl;

 private:
  friend class Event;
  explicit Stream(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// A point in a stream. Move-only. An event that was never recorded counts as reached.
class Event {
 public:
  Event();
  Event(Event&&) noexcept;
  Event& operator=(Event&&) noexcept;
  ~Event();

  void record(Stream& stream);
  /// Never blocks.
  bool is_reached() const;
  /// Blocks until reached; rethrows the exception of a task before the point.
  void synchronize() const;

  struct Impl;

 private:
  friend class Stream;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lockstep
