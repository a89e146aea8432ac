#include "core/graph.h"

#include "core/cuda_api.h"
#include "core/error.h"

#include <utility>

namespace lockstep {

Graph::Graph(std::unique_ptr<GraphImpl> impl) : impl_(std::move(impl)) {}
Graph::Graph(Graph&&) noexcept = default;
Graph& Graph::operator=(Graph&&) noexcept = default;
Graph::~Graph() = default;

Graph Graph::capture(Stream& stream, const std::function<void()>& work) {
  LS_CHECK(stream.device().kind == DeviceKind::kCuda, "a graph on {}: only CUDA streams can be recorded",
           stream.device().to_string());
  return Graph(cuda_core().capture(stream, work));
}

void Graph::launch(Stream& stream) { impl_->launch(stream); }

}  // namespace lockstep
