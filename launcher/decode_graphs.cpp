#include "launcher/decode_graphs.h"

#include "core/error.h"

#include <algorithm>
#include <bit>

namespace lockstep {

int64_t DecodeGraphs::padded(int64_t rows) {
  const auto power = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(rows)));
  const int64_t between = power / 4 * 3;
  return power >= 4 && rows <= between ? between : power;
}

int64_t DecodeGraphs::padded_positions(int64_t positions, int64_t most) {
  LS_CHECK(positions <= most, "rows of up to {} positions, there are up to {}", positions, most);
  const auto spans = static_cast<uint64_t>((positions + kAttentionSpanTokens - 1) / kAttentionSpanTokens);
  return std::min(static_cast<int64_t>(std::bit_ceil(spans)) * kAttentionSpanTokens, most);
}

TensorView DecodeGraphs::run(Stream& stream, const ForwardBatch& batch, const std::function<TensorView()>& compute) {
  const RaggedRows rows = batch.rows();
  const auto [at, is_new] = entries_.try_emplace({rows.num_rows, rows.max_end});
  Entry& entry = at->second;
  if (is_new) return compute();
  if (!entry.graph) {
    entry.graph = Graph::capture(stream, [&] { entry.logits = compute(); });
    ++num_recorded_;
  }
  entry.graph->launch(stream);
  return entry.logits;
}

}  // namespace lockstep
