// Packs rows of W into panels (see PanelLayout).
#pragma once

#include "kernels/cpu/linear/panel_layout.h"

#include <span>

namespace lockstep::cpu {

/// Fills panels [first, last) at `out` (the address of panel 0) from parts stacked along the output axis.
void pack_panels(const PanelLayout& layout, int step, std::span<const ConstTensorView> parts,
                 const SegmentBounds& segments, int64_t first, int64_t last, std::byte* out);

}  // namespace lockstep::cpu
