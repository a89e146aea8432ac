// Device work recorded once and launched as a whole: a decode step of hundreds of kernels costs one launch.
#pragma once

#include "core/stream.h"

#include <functional>
#include <memory>

namespace lockstep {

class GraphImpl;

/// Move-only. The memory that the recorded work names must stay where it is while the graph lives.
class Graph {
 public:
  /// Records what `work` enqueues on `stream` (CUDA only), without running it. Throws CudaError for work that cannot be
  /// recorded; then nothing was enqueued.
  static Graph capture(Stream& stream, const std::function<void()>& work);

  Graph(Graph&&) noexcept;
  Graph& operator=(Graph&&) noexcept;
  ~Graph();

  void launch(Stream& stream);

 private:
  explicit Graph(std::unique_ptr<GraphImpl> impl);
  std::unique_ptr<GraphImpl> impl_;
};

}  // namespace lockstep
