// CUDA graphs of decode steps: one for every size of batch and context that occurs, so that the hundreds of kernels of
// a step cost one launch. Part of the engine's step (launcher/engine.h).
//
// A batch is padded with rows that compute nothing up to the next recorded size, and so is the context. A size is
// computed without a graph at its first use, which lets every workspace grow; it is recorded at its second. A row's
// bits do not depend on the rows beside it, so answers are the same with and without graphs.
#pragma once

#include "core/graph.h"
#include "core/tensor_view.h"
#include "dist/model/forward_batch.h"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>

namespace lockstep {

/// Not thread-safe.
class DecodeGraphs {
 public:
  /// The recorded batch size that serves `rows` rows: powers of two and the halves between them.
  static int64_t padded(int64_t rows);
  /// The recorded context that serves rows of up to `positions` positions: kAttentionSpanTokens times a power of two,
  /// or `most` if that is less; no row has more, and nothing is sized for more. Requires positions ≤ most.
  static int64_t padded_positions(int64_t positions, int64_t most);

  /// Runs `compute` on `batch`, which is padded, or the graph that was recorded of it. `compute` must name the same
  /// memory for every batch of one size.
  TensorView run(Stream& stream, const ForwardBatch& batch, const std::function<TensorView()>& compute);

  int64_t num_recorded() const { return static_cast<int64_t>(num_recorded_); }

 private:
  struct Entry {
    std::optional<Graph> graph;
    TensorView logits;
  };
  std::map<std::pair<int64_t, int64_t>, Entry> entries_;  // by rows and positions
  int64_t num_recorded_ = 0;
};

}  // namespace lockstep
