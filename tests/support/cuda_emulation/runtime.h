// The emulated runtime's state, shared by the files that implement cuda_runtime_api.h. One mutex guards all of it; it
// is never held while work of a stream runs.
#pragma once

#include "tests/support/cuda_emulation/include/cuda_runtime_api.h"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

namespace lockstep::emulation {

using Work = std::function<void()>;
using Lock = std::unique_lock<std::mutex>;

/// A stream's place after the first `position` pieces of work, where an event was recorded.
struct Point {
  std::shared_ptr<CUstream_st> stream;
  uint64_t position = 0;
  std::chrono::steady_clock::time_point reached_at;  // once reached
};

/// One recorded call and the earlier ones that it must follow.
struct Node {
  Work work;
  std::vector<size_t> needs;
};

struct Capture {
  cudaStreamCaptureMode mode;
  std::thread::id owner;
  cudaStream_t origin;
  bool is_invalid = false, has_ended = false;
  std::vector<Node> nodes;
};

enum class MemoryKind { kPageable, kPinned, kDevice, kOutOfBounds };

struct Allocation {
  size_t bytes;
  MemoryKind kind;
  int device;
  bool is_registered;  // pinned, but the caller's own
};

struct Runtime {
  std::mutex mutex;
  std::condition_variable changed;  // a stream has finished a piece of work
  std::map<cudaStream_t, std::shared_ptr<CUstream_st>> streams;
  std::map<int, std::shared_ptr<CUstream_st>> legacy_streams;  // by device: what a null stream means
  std::set<cudaEvent_t> events;
  std::set<std::shared_ptr<Capture>> captures;  // in progress
  std::map<uintptr_t, Allocation> allocations;  // by first byte
  std::map<int, size_t> bytes_in_use;           // by device
  std::set<std::pair<int, int>> peers;
  std::unordered_map<const void*, size_t> dynamic_shared_limits;  // by kernel, where raised
};

Runtime& runtime();

/// Records the thread's last error. Returns `error`.
cudaError_t report(cudaError_t error);
int current_device();
size_t device_bytes();
/// cudaErrorNoDevice if there is none, cudaErrorNotPermitted within a host function, else cudaSuccess.
cudaError_t check_call();

/// cudaErrorStreamCaptureUnsupported where a capture forbids calls like cudaMalloc or a synchronisation to this thread;
/// spoils the capture.
cudaError_t check_uncaptured(const Lock& lock);

/// The stream of a handle; null: the current device's legacy stream. Nothing for a handle that is none.
std::shared_ptr<CUstream_st> find_stream(const Lock& lock, cudaStream_t handle);
/// Appends work, or records it where the stream captures.
cudaError_t submit(Lock& lock, CUstream_st& stream, Work work);
/// Runs the stream's work up to `position`; waits where another thread runs it.
void drive(Lock& lock, CUstream_st& stream, uint64_t position);
void drive_device(Lock& lock, int device);

/// Adds a node after what the stream has recorded.
void record_node(CUstream_st& stream, Work work);

/// What [data, data + bytes) is.
MemoryKind kind_of(const Lock& lock, const void* data, size_t bytes);

/// For emulated libraries that enqueue on streams, as a kernel does: `work` may wait for other streams' threads.
cudaError_t enqueue(cudaStream_t stream, Work work);

}  // namespace lockstep::emulation

struct CUstream_st {
  int device = 0;
  bool is_legacy = false, is_blocking = false;
  std::deque<lockstep::emulation::Work> queue;
  uint64_t submitted = 0, completed = 0;
  bool is_running = false;
  std::shared_ptr<lockstep::emulation::Capture> capture;
  std::vector<size_t> frontier;  // of the capture: what the next node must follow
};

struct CUevent_st {
  int device = 0;
  bool has_timing = true;
  std::shared_ptr<lockstep::emulation::Point> point;      // null: never recorded
  std::shared_ptr<lockstep::emulation::Capture> capture;  // if recorded by a capturing stream
  std::vector<size_t> frontier;
};
