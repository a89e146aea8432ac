// The product by cuBLASLt, with algorithms chosen for fixed bits (kernels/cuda/linear/choose.h). The usual case is one
// call of the library on x and out where they are. Otherwise x is copied into padded rows, or the F32 sums of segments
// go through scratch memory and a second kernel adds them and the bias.
#include "kernels/cuda/linear/choose.h"
#include "kernels/cuda/linear/rows.h"
#include "kernels/cuda/linear/upload.h"
#include "kernels/cuda/state.h"
#include "kernels/linear_backends.h"

#include <algorithm>
#include <utility>

namespace lockstep::cuda {
namespace {

constexpr int64_t kScratchAlignment = 512;

int64_t round_up(int64_t count, int64_t unit) { return (count + unit - 1) / unit * unit; }

/// The library adds the bias to F32 sums that are whole and not padded.
bool is_bias_fused(const LinearLayout& layout, int64_t out_features, bool has_bias) {
  return has_bias && layout.num_segments == 1 && layout.out == out_features;
}

/// No more rows than the plan takes.
void multiply(const OpContext& context, ConstTensorView x, const LinearWeight& weight, const LinearLayout& layout,
              TensorView out) {
  const int64_t rows = x.size(0);
  const auto* const bias = static_cast<const float*>(weight.bias.data());
  const bool is_fused = is_bias_fused(layout, weight.out_features, bias != nullptr);
  const bool is_x_in_place = layout.is_exact && is_aligned(x);
  const bool is_same = out.dtype() != DType::kF32;
  const bool is_out_in_place = layout.num_segments == 1 && layout.out == weight.out_features && is_aligned(out) &&
                               (is_same ? bias == nullptr : bias == nullptr || is_fused);

  const int64_t x_bytes = is_x_in_place ? 0 : rows * layout.num_segments * layout.row_bytes();
  const int64_t sums_begin = round_up(x_bytes, kScratchAlignment);
  const int64_t sums_bytes = is_out_in_place ? 0 : layout.num_rows() * rows * size_of(DType::kF32);
  State& state = state_of(context);
  char* scratch = nullptr;
  if (sums_begin + sums_bytes > 0) {
    scratch = static_cast<char*>(state.scratch(ScratchUse::kLinear, sums_begin + sums_bytes));
  }

  const int64_t packed_stride = layout.num_segments * layout.in;
  MatmulOperands operands{.w = weight.packed.data(), .x_segment_stride = layout.in, .bias = is_fused ? bias : nullptr};
  if (is_x_in_place) {
    operands.x = x.data();
    operands.x_stride = rows == 1 ? packed_stride : x.stride(0);
  } else {
    pad_rows(context, x, weight.segments, layout, scratch);
    operands.x = scratch;
    operands.x_stride = packed_stride;
  }
  auto* const sums = reinterpret_cast<float*>(scratch + sums_begin);
  operands.out = is_out_in_place ? out.data() : sums;
  operands.out_stride = is_out_in_place && rows > 1 ? out.stride(0) : layout.out;
  operands.out_segment_stride = rows * layout.out;

  const LinearPlan& plan = is_out_in_place && is_same ? *weight.algorithm->same : weight.algorithm->f32;
  Matmul(plan.shape, rows, operands)
      .run(state.linear_library().handle, plan.algorithm(rows),
           state.scratch(ScratchUse::kLinearWorkspace, kMatmulWorkspaceBytes),
           static_cast<cudaStream_t>(context.stream->native()));
  if (!is_out_in_place) finish_rows(context, sums, layout, is_fused ? nullptr : bias, out);
}

}  // namespace

LinearWeight pack_linear_weight(const OpContext& context, std::span<const ConstTensorView> parts,
                                std::span<const ConstTensorView> biases, SegmentBounds segments) {
  LinearWeight weight;
  for (const ConstTensorView& part : parts) weight.out_features += part.size(0);
  weight.in_features = segments.back();
  weight.dtype = parts[0].dtype();
  weight.segments = std::move(segments);
  const LinearLayout layout = linear_layout(weight.out_features, weight.dtype, weight.segments);
  weight.packed = Buffer(layout.packed_bytes(), context.device);
  if (weight.out_features == 0) return weight;
  if (!biases.empty()) weight.bias = Buffer(weight.out_features * size_of(DType::kF32), context.device);
  const bool is_fused = is_bias_fused(layout, weight.out_features, !biases.empty());
  weight.algorithm = choose_algorithm(context, layout, weight.packed.data(),
                                      is_fused ? static_cast<float*>(weight.bias.data()) : nullptr);
  upload_weight(context, parts, weight.segments, layout, weight.packed.data());
  if (!biases.empty()) upload_bias(context, biases, weight.bias.data());
  return weight;
}

int64_t packed_linear_bytes(const OpContext&, int64_t out_features, DType dtype, const SegmentBounds& segments) {
  return linear_layout(out_features, dtype, segments).packed_bytes();
}

void linear(const OpContext& context, ConstTensorView x, const LinearWeight& weight, TensorView out) {
  if (x.size(0) == 0 || weight.out_features == 0) return;
  const LinearLayout layout = linear_layout(weight.out_features, weight.dtype, weight.segments);
  const int64_t piece = weight.algorithm->f32.max_rows();
  for (int64_t row = 0; row < x.size(0); row += piece) {
    const int64_t end = std::min(row + piece, x.size(0));
    multiply(context, x.slice(0, row, end), weight, layout, out.slice(0, row, end));
  }
}

}  // namespace lockstep::cuda
