// Packs a block of rows of x for tiles (see RowFormat), padding every segment to whole steps with zeros.
#pragma once

#include "kernels/cpu/linear/panel_layout.h"

namespace lockstep::cpu {

/// x [rows, in_features] of the weight's dtype → `out`, layout.block_bytes(rows) bytes, 64-byte aligned for kTiles.
void pack_rows(const TileKernels& kernels, const PanelLayout& layout, const SegmentBounds& segments, ConstTensorView x,
               std::byte* out);

}  // namespace lockstep::cpu
