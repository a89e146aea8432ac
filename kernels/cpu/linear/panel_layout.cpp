#include "kernels/cpu/linear/panel_layout.h"

namespace lockstep::cpu {

PanelLayout panel_layout(const TileKernels& kernels, int64_t out_features, DType dtype, const SegmentBounds& segments) {
  PanelLayout layout;
  layout.num_segments = static_cast<int>(segments.size()) - 1;
  for (size_t s = 0; s + 1 < segments.size(); ++s) {
    const int64_t steps = (segments[s + 1] - segments[s] + kernels.step - 1) / kernels.step;
    layout.segment_steps[s] = steps;
    layout.padded_k += steps * kernels.step;
  }
  layout.num_panels = (out_features + kPanelColumns - 1) / kPanelColumns;
  layout.panel_bytes = (layout.padded_k * kPanelColumns * size_of(dtype) + 63) / 64 * 64;
  layout.row_bytes = layout.padded_k * (kernels.row_format == RowFormat::kFloats ? 4 : 2);
  return layout;
}

const TileKernels& tile_kernels(CpuIsa isa, DType dtype) {
  switch (dtype) {
    case DType::kF32: return isa >= CpuIsa::kAvx512 ? kAvx512F32 : isa == CpuIsa::kAvx2 ? kAvx2F32 : kScalarF32;
    case DType::kF16: return isa >= CpuIsa::kAvx512 ? kAvx512F16 : isa == CpuIsa::kAvx2 ? kAvx2F16 : kScalarF16;
    case DType::kBF16: break;
    case DType::kI32: throw_not_floating(dtype);
  }
  switch (isa) {
    case CpuIsa::kScalar: return kScalarBf16;
    case CpuIsa::kAvx2: return kAvx2Bf16;
    case CpuIsa::kAvx512: return kAvx512Bf16;
    case CpuIsa::kAvx512Bf16: return kAvx512DotBf16;
    case CpuIsa::kAmx: return kAmxBf16;
  }
  LS_THROW(Error, "no matrix product for instruction set {}", static_cast<int>(isa));
}

}  // namespace lockstep::cpu
