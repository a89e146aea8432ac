#include "core/cuda/graph.h"

#include "core/cuda/check.h"

namespace lockstep::cuda {
namespace {

cudaStream_t native(const Stream& stream) { return static_cast<cudaStream_t>(stream.native()); }

class CudaGraph final : public GraphImpl {
 public:
  explicit CudaGraph(cudaGraph_t graph) { LS_CUDA(cudaGraphInstantiate(&instance_, graph, 0)); }
  ~CudaGraph() override { cudaGraphExecDestroy(instance_); }
  CudaGraph(const CudaGraph&) = delete;
  CudaGraph& operator=(const CudaGraph&) = delete;

  void launch(Stream& stream) override { LS_CUDA(cudaGraphLaunch(instance_, native(stream))); }

 private:
  cudaGraphExec_t instance_ = nullptr;
};

struct GraphOwner {
  cudaGraph_t graph = nullptr;
  ~GraphOwner() {
    if (graph != nullptr) cudaGraphDestroy(graph);
  }
};

}  // namespace

// Thread-local mode: other threads of this process may allocate meanwhile.
std::unique_ptr<GraphImpl> capture(Stream& stream, const std::function<void()>& work) {
  LS_CUDA(cudaStreamBeginCapture(native(stream), cudaStreamCaptureModeThreadLocal));
  GraphOwner owner;
  try {
    work();
  } catch (...) {
    cudaStreamEndCapture(native(stream), &owner.graph);
    static_cast<void>(cudaGetLastError());
    throw;
  }
  LS_CUDA(cudaStreamEndCapture(native(stream), &owner.graph));
  return std::make_unique<CudaGraph>(owner.graph);
}

}  // namespace lockstep::cuda
