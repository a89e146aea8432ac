// Capture and graphs of the emulated runtime. A graph runs its nodes one after another, each as late as its followers
// allow, as a stream does.
#include "tests/support/cuda_emulation/runtime.h"

using namespace lockstep::emulation;

struct CUgraph_st {
  std::vector<Node> nodes;
  std::vector<size_t> order;
};
struct CUgraphExec_st {
  std::shared_ptr<const std::vector<Work>> works;
};

namespace {

thread_local cudaStreamCaptureMode thread_mode = cudaStreamCaptureModeGlobal;

/// `last` and all that they need, each after what it needs. Leaves out what they do not need.
std::vector<size_t> order_of(const std::vector<Node>& nodes, const std::vector<size_t>& last) {
  std::vector<size_t> order;
  std::vector<bool> is_placed(nodes.size());
  std::vector<std::pair<size_t, size_t>> path;  // node, how many of its needs were looked at
  for (const size_t end : last) {
    if (!is_placed[end]) path.emplace_back(end, 0);
    while (!path.empty()) {
      const size_t node = path.back().first;
      size_t& looked_at = path.back().second;
      if (looked_at < nodes[node].needs.size()) {
        const size_t need = nodes[node].needs[looked_at++];
        if (!is_placed[need]) path.emplace_back(need, 0);
        continue;
      }
      if (!is_placed[node]) order.push_back(node);
      is_placed[node] = true;
      path.pop_back();
    }
  }
  return order;
}

}  // namespace

namespace lockstep::emulation {

void record_node(CUstream_st& stream, Work work) {
  std::vector<Node>& nodes = stream.capture->nodes;
  nodes.push_back({std::move(work), stream.frontier});
  stream.frontier.assign(1, nodes.size() - 1);
}

cudaError_t check_uncaptured(const Lock&) {
  if (thread_mode == cudaStreamCaptureModeRelaxed) return cudaSuccess;
  bool is_forbidden = false;
  for (const auto& capture : runtime().captures) {
    const bool is_own = capture->owner == std::this_thread::get_id();
    const bool counts =
        is_own ? capture->mode != cudaStreamCaptureModeRelaxed
               : capture->mode == cudaStreamCaptureModeGlobal && thread_mode == cudaStreamCaptureModeGlobal;
    if (!counts) continue;
    capture->is_invalid = true;
    is_forbidden = true;
  }
  return is_forbidden ? cudaErrorStreamCaptureUnsupported : cudaSuccess;
}

}  // namespace lockstep::emulation

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  std::swap(*mode, thread_mode);
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  if (const cudaError_t called = check_call(); called != cudaSuccess) return called;
  const Lock lock(runtime().mutex);
  const auto stream = find_stream(lock, handle);
  if (stream == nullptr) return report(cudaErrorInvalidResourceHandle);
  *status = stream->capture == nullptr    ? cudaStreamCaptureStatusNone
            : stream->capture->is_invalid ? cudaStreamCaptureStatusInvalidated
                                          : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  if (const cudaError_t status = check_call(); status != cudaSuccess) return status;
  const Lock lock(runtime().mutex);
  const auto stream = find_stream(lock, handle);
  if (stream == nullptr) return report(cudaErrorInvalidResourceHandle);
  if (stream->is_legacy) return report(cudaErrorStreamCaptureUnsupported);
  if (stream->capture != nullptr) return report(cudaErrorInvalidValue);
  stream->capture = std::make_shared<Capture>();
  stream->capture->mode = mode;
  stream->capture->owner = std::this_thread::get_id();
  stream->capture->origin = handle;
  runtime().captures.insert(stream->capture);
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
  if (const cudaError_t status = check_call(); status != cudaSuccess) return status;
  const Lock lock(runtime().mutex);
  const auto stream = find_stream(lock, handle);
  if (stream == nullptr) return report(cudaErrorInvalidResourceHandle);
  *graph = nullptr;
  const std::shared_ptr<Capture> capture = stream->capture;
  if (capture == nullptr) return report(cudaErrorInvalidValue);
  if (capture->origin != handle) return report(cudaErrorStreamCaptureUnmatched);
  if (capture->mode != cudaStreamCaptureModeRelaxed && capture->owner != std::this_thread::get_id()) {
    return report(cudaErrorStreamCaptureWrongThread);
  }
  std::vector<size_t> order = order_of(capture->nodes, stream->frontier);
  for (const auto& [other_handle, other] : runtime().streams) {
    if (other->capture != capture) continue;
    other->capture = nullptr;
    other->frontier.clear();
  }
  capture->has_ended = true;
  runtime().captures.erase(capture);
  if (capture->is_invalid) return report(cudaErrorStreamCaptureInvalidated);
  if (order.size() != capture->nodes.size()) return report(cudaErrorStreamCaptureUnjoined);
  *graph = new CUgraph_st{std::move(capture->nodes), std::move(order)};
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  if (const cudaError_t status = check_call(); status != cudaSuccess) return status;
  if (graph == nullptr) return report(cudaErrorInvalidValue);
  auto works = std::make_shared<std::vector<Work>>();
  for (const size_t node : graph->order) works->push_back(graph->nodes[node].work);
  *executable = new CUgraphExec_st{std::move(works)};
  return cudaSuccess;
}

cudaError_t cudaGraphUpload(cudaGraphExec_t executable, cudaStream_t) {
  return executable == nullptr ? report(cudaErrorInvalidValue) : check_call();
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  if (executable == nullptr) return report(cudaErrorInvalidValue);
  return enqueue(stream, [works = executable->works] {
    for (const Work& work : *works) work();
  });
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
