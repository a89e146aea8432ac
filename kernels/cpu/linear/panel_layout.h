// Where packed weights and packed rows of x lie: pure arithmetic shared by packing and the driver.
#pragma once

#include "kernels/cpu/linear/tile_kernels.h"
#include "kernels/linear.h"

#include <array>

namespace lockstep::cpu {

/// packed weights = [panel][step of k, segment after segment][16 columns][k within the step's unit]; a panel starts on
/// 64 bytes. The unit is one value (F32, F16) or a pair (BF16).
struct PanelLayout {
  std::array<int64_t, kMaxSegments> segment_steps{};
  int num_segments = 0;
  int64_t padded_k = 0;  // k with every segment rounded up to whole steps
  int64_t panel_bytes = 0;
  int64_t num_panels = 0;
  int64_t row_bytes = 0;  // of one packed row of x

  int64_t packed_bytes() const { return num_panels * panel_bytes; }
  /// Bytes of a packed block of x.
  int64_t block_bytes(RowFormat format, int64_t rows) const {
    return (format == RowFormat::kTiles ? (rows + 15) / 16 * 16 : rows) * row_bytes;
  }
};

PanelLayout panel_layout(const TileKernels& kernels, int64_t out_features, DType dtype, const SegmentBounds& segments);

/// The inner loops for weights of `dtype` at `isa`.
const TileKernels& tile_kernels(CpuIsa isa, DType dtype);

}  // namespace lockstep::cpu
