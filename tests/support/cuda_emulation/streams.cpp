// Streams and events of the emulated runtime.
#include "tests/support/cuda_emulation/runtime.h"

#include <algorithm>

using namespace lockstep::emulation;

namespace {

/// Adds those of `more` that are not there.
void merge(std::vector<size_t>& nodes, const std::vector<size_t>& more) {
  for (const size_t node : more) {
    if (std::find(nodes.begin(), nodes.end(), node) == nodes.end()) nodes.push_back(node);
  }
}

/// Waits for a stream's end. Spoils and refuses where the stream captures.
cudaError_t finish(cudaStream_t handle) {
  if (const cudaError_t status = check_call(); status != cudaSuccess) return status;
  Lock lock(runtime().mutex);
  const auto stream = find_stream(lock, handle);
  if (stream == nullptr) return report(cudaErrorInvalidResourceHandle);
  if (stream->capture != nullptr) {
    stream->capture->is_invalid = true;
    return report(cudaErrorStreamCaptureUnsupported);
  }
  if (const cudaError_t status = check_uncaptured(lock); status != cudaSuccess) return report(status);
  drive(lock, *stream, stream->submitted);
  return cudaSuccess;
}

cudaError_t finish(cudaEvent_t event) {
  if (const cudaError_t status = check_call(); status != cudaSuccess) return status;
  Lock lock(runtime().mutex);
  if (!runtime().events.contains(event)) return report(cudaErrorInvalidResourceHandle);
  if (event->capture != nullptr) {
    event->capture->is_invalid = true;
    return report(cudaErrorCapturedEvent);
  }
  if (const cudaError_t status = check_uncaptured(lock); status != cudaSuccess) return report(status);
  if (const auto point = event->point) drive(lock, *point->stream, point->position);
  return cudaSuccess;
}

}  // namespace

cudaError_t cudaStreamCreate(cudaStream_t* stream) { return cudaStreamCreateWithFlags(stream, cudaStreamDefault); }

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned int flags, int) {
  return cudaStreamCreateWithFlags(stream, flags);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int flags) {
  if (const cudaError_t status = check_call(); status != cudaSuccess) return status;
  if (stream == nullptr || flags > cudaStreamNonBlocking) return report(cudaErrorInvalidValue);
  const Lock lock(runtime().mutex);
  auto owner = std::make_shared<CUstream_st>();
  owner->device = current_device();
  owner->is_blocking = flags == cudaStreamDefault;
  *stream = owner.get();
  runtime().streams.emplace(owner.get(), std::move(owner));
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  if (const cudaError_t status = check_call(); status != cudaSuccess) return status;
  Lock lock(runtime().mutex);
  const auto stream = find_stream(lock, handle);
  if (stream == nullptr || stream->is_legacy) return report(cudaErrorInvalidResourceHandle);
  if (stream->capture != nullptr) {
    stream->capture->is_invalid = true;
    if (stream->capture->origin == handle) runtime().captures.erase(stream->capture);
    stream->capture = nullptr;
  }
  drive(lock, *stream, stream->submitted);
  runtime().streams.erase(handle);
  return cudaSuccess;
}

cudaError_t cudaStreamQuery(cudaStream_t stream) { return finish(stream); }
cudaError_t cudaStreamSynchronize(cudaStream_t stream) { return finish(stream); }

cudaError_t cudaDeviceSynchronize() {
  if (const cudaError_t status = check_call(); status != cudaSuccess) return status;
  Lock lock(runtime().mutex);
  for (const auto& [handle, stream] : runtime().streams) {
    if (stream->device != current_device() || stream->capture == nullptr) continue;
    stream->capture->is_invalid = true;
    return report(cudaErrorStreamCaptureUnsupported);
  }
  if (const cudaError_t status = check_uncaptured(lock); status != cudaSuccess) return report(status);
  drive_device(lock, current_device());
  return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event, unsigned int) {
  if (const cudaError_t status = check_call(); status != cudaSuccess) return status;
  Lock lock(runtime().mutex);
  const auto stream = find_stream(lock, handle);
  if (stream == nullptr || !runtime().events.contains(event)) return report(cudaErrorInvalidResourceHandle);
  if (event->capture != nullptr) {
    if (event->capture->has_ended) return report(cudaErrorCapturedEvent);
    if (event->capture->is_invalid) return report(cudaErrorStreamCaptureInvalidated);
    if (stream->is_legacy) return report(cudaErrorStreamCaptureImplicit);
    if (stream->capture != nullptr && stream->capture != event->capture) {
      stream->capture->is_invalid = event->capture->is_invalid = true;
      return report(cudaErrorStreamCaptureMerge);
    }
    stream->capture = event->capture;
    merge(stream->frontier, event->frontier);
    return cudaSuccess;
  }
  const auto point = event->point;
  if (point == nullptr) return cudaSuccess;
  if (stream->capture != nullptr) {
    stream->capture->is_invalid = true;
    return report(cudaErrorStreamCaptureIsolation);
  }
  return report(submit(lock, *stream, [point] {
    Lock inner(runtime().mutex);
    drive(inner, *point->stream, point->position);
  }));
}

cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int flags) {
  if (const cudaError_t status = check_call(); status != cudaSuccess) return status;
  if (event == nullptr) return report(cudaErrorInvalidValue);
  const Lock lock(runtime().mutex);
  *event = new CUevent_st;
  (*event)->device = current_device();
  (*event)->has_timing = (flags & cudaEventDisableTiming) == 0;
  runtime().events.insert(*event);
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t handle) {
  if (const cudaError_t status = check_call(); status != cudaSuccess) return status;
  Lock lock(runtime().mutex);
  const auto stream = find_stream(lock, handle);
  if (stream == nullptr || !runtime().events.contains(event) || event->device != stream->device) {
    return report(cudaErrorInvalidResourceHandle);
  }
  if (stream->capture != nullptr) {
    if (stream->capture->is_invalid) return report(cudaErrorStreamCaptureInvalidated);
    event->point = nullptr;
    event->capture = stream->capture;
    event->frontier = stream->frontier;
    return cudaSuccess;
  }
  event->capture = nullptr;
  auto point = std::make_shared<Point>();
  const cudaError_t status = submit(lock, *stream, [point] { point->reached_at = std::chrono::steady_clock::now(); });
  if (status != cudaSuccess) return report(status);
  point->stream = stream;
  point->position = stream->submitted;
  event->point = point;
  return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t event) { return finish(event); }
cudaError_t cudaEventSynchronize(cudaEvent_t event) { return finish(event); }

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  if (const cudaError_t status = check_call(); status != cudaSuccess) return status;
  const Lock lock(runtime().mutex);
  for (const cudaEvent_t event : {start, end}) {
    if (!runtime().events.contains(event) || !event->has_timing || event->point == nullptr) {
      return report(cudaErrorInvalidResourceHandle);
    }
    if (event->point->stream->completed < event->point->position) return report(cudaErrorNotReady);
  }
  *milliseconds = std::chrono::duration<float, std::milli>(end->point->reached_at - start->point->reached_at).count();
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  if (const cudaError_t status = check_call(); status != cudaSuccess) return status;
  const Lock lock(runtime().mutex);
  if (runtime().events.erase(event) == 0) return report(cudaErrorInvalidResourceHandle);
  delete event;
  return cudaSuccess;
}
