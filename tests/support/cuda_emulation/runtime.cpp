#include "tests/support/cuda_emulation/runtime.h"

#include <cstdlib>
#include <cstring>

namespace lockstep::emulation {

namespace {
thread_local bool in_host_function = false;
}

Runtime& runtime() {
  static Runtime& shared = *new Runtime;  // outlives whatever a static destructor frees
  return shared;
}

std::shared_ptr<CUstream_st> find_stream(const Lock&, cudaStream_t handle) {
  Runtime& all = runtime();
  // 1 and 2 are cudaStreamLegacy and cudaStreamPerThread.
  if (reinterpret_cast<uintptr_t>(handle) <= 2) {
    std::shared_ptr<CUstream_st>& legacy = all.legacy_streams[current_device()];
    if (legacy == nullptr) {
      legacy = std::make_shared<CUstream_st>();
      legacy->device = current_device();
      legacy->is_legacy = true;
    }
    return legacy;
  }
  const auto found = all.streams.find(handle);
  return found == all.streams.end() ? nullptr : found->second;
}

void drive(Lock& lock, CUstream_st& stream, uint64_t position) {
  while (stream.completed < position) {
    if (stream.is_running) {
      runtime().changed.wait(lock);
      continue;
    }
    stream.is_running = true;
    Work work = std::move(stream.queue.front());
    stream.queue.pop_front();
    lock.unlock();
    work();
    work = nullptr;
    lock.lock();
    stream.is_running = false;
    ++stream.completed;
    runtime().changed.notify_all();
  }
}

void drive_device(Lock& lock, int device) {
  std::vector<std::shared_ptr<CUstream_st>> streams;
  for (const auto& [handle, stream] : runtime().streams) {
    if (stream->device == device) streams.push_back(stream);
  }
  const auto legacy = runtime().legacy_streams.find(device);
  if (legacy != runtime().legacy_streams.end()) streams.push_back(legacy->second);
  for (const auto& stream : streams) drive(lock, *stream, stream->submitted);
}

namespace {

void append(CUstream_st& stream, Work work) {
  stream.queue.push_back(std::move(work));
  ++stream.submitted;
}

/// Makes `stream` wait for all that `other` was given so far.
void append_wait(CUstream_st& stream, const std::shared_ptr<CUstream_st>& other) {
  if (other->completed == other->submitted) return;
  append(stream, [other, position = other->submitted] {
    Lock lock(runtime().mutex);
    drive(lock, *other, position);
  });
}

bool runs_at_once() {
  const char* mode = std::getenv("LOCKSTEP_EMULATED_STREAMS");
  return mode != nullptr && std::strcmp(mode, "eager") == 0;
}

}  // namespace

cudaError_t submit(Lock& lock, CUstream_st& stream, Work work) {
  if (stream.capture != nullptr) {
    if (stream.capture->is_invalid) return cudaErrorStreamCaptureInvalidated;
    record_node(stream, std::move(work));
    return cudaSuccess;
  }
  // The legacy stream and the blocking streams of a device wait for each other.
  if (stream.is_legacy) {
    for (const auto& [handle, other] : runtime().streams) {
      if (!other->is_blocking || other->device != stream.device) continue;
      if (other->capture != nullptr) {
        other->capture->is_invalid = true;
        return cudaErrorStreamCaptureImplicit;
      }
      append_wait(stream, other);
    }
  } else if (stream.is_blocking) {
    const auto legacy = runtime().legacy_streams.find(stream.device);
    if (legacy != runtime().legacy_streams.end()) append_wait(stream, legacy->second);
  }
  append(stream, std::move(work));
  if (runs_at_once()) drive(lock, stream, stream.submitted);
  return cudaSuccess;
}

cudaError_t enqueue(cudaStream_t handle, Work work) {
  if (const cudaError_t status = check_call(); status != cudaSuccess) return status;
  Lock lock(runtime().mutex);
  const auto stream = find_stream(lock, handle);
  if (stream == nullptr) return report(cudaErrorInvalidResourceHandle);
  return report(submit(lock, *stream, std::move(work)));
}

cudaError_t check_call() {
  if (in_host_function) return report(cudaErrorNotPermitted);
  int count = 0;
  return cudaGetDeviceCount(&count);
}

}  // namespace lockstep::emulation

namespace emulation = lockstep::emulation;

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data) {
  if (function == nullptr) return emulation::report(cudaErrorInvalidValue);
  return emulation::enqueue(stream, [function, data] {
    emulation::in_host_function = true;
    function(data);
    emulation::in_host_function = false;
  });
}
