#include "kernels/linear.h"

#include "kernels/cuda_api.h"
#include "kernels/linear_backends.h"

#include <bit>
#include <utility>

namespace lockstep {
namespace {

constexpr size_t kMaxSegments = 8;

void check_segments(const SegmentBounds& segments) {
  LS_REQUIRE(ShapeError, segments.size() >= 2, "{} segment boundaries; at least 2 are needed", segments.size());
  const size_t count = segments.size() - 1;
  LS_REQUIRE(ShapeError, std::has_single_bit(count) && count <= kMaxSegments, "{} segments; accepted: 1, 2, 4, 8",
             count);
  LS_REQUIRE(ShapeError, segments.front() == 0, "segments start at {}, not at 0", segments.front());
  for (size_t i = 0; i < count; ++i) {
    LS_REQUIRE(ShapeError, segments[i] <= segments[i + 1], "segment boundaries fall from {} to {}", segments[i],
               segments[i + 1]);
  }
}

void check_context(const OpContext& context, DType dtype) {
  LS_REQUIRE(DTypeError, dtype != DType::kI32, "linear weights of type {}; accepted: f32, f16, bf16", name_of(dtype));
  if (context.device.kind != DeviceKind::kCpu) return;
  LS_REQUIRE(ConfigError, context.isa <= detect_cpu_isa(),
             "instruction set '{}' was asked for, but this machine runs at most '{}'", name_of(context.isa),
             name_of(detect_cpu_isa()));
}

/// Of a call that computes or packs.
void check_means(const OpContext& context) {
  switch (context.device.kind) {
    case DeviceKind::kCpu: LS_CHECK(context.threads != nullptr, "linear on the CPU without a thread pool"); return;
    case DeviceKind::kCuda:
      cuda_kernels();  // says so first where there is no CUDA module
      LS_CHECK(context.stream != nullptr && context.state != nullptr, "linear on {} without a stream or a state",
               context.device.to_string());
      return;
  }
}

void check_parts(std::span<const ConstTensorView> parts, std::span<const ConstTensorView> biases, int64_t in_features) {
  LS_REQUIRE(ShapeError, !parts.empty(), "a linear weight of no parts");
  for (const ConstTensorView& part : parts) {
    LS_REQUIRE(ShapeError, part.rank() == 2 && part.size(1) == in_features, "weight of shape {}, expected [*, {}]",
               part.shape().to_string(), in_features);
    LS_REQUIRE(DTypeError, part.dtype() == parts[0].dtype(), "weights of types {} and {} stacked in one matrix",
               name_of(parts[0].dtype()), name_of(part.dtype()));
    LS_REQUIRE(ShapeError, part.device() == Device::cpu(), "weights on {}; they are packed from host memory",
               part.device().to_string());
  }
  if (biases.empty()) return;
  LS_REQUIRE(ShapeError, biases.size() == parts.size(), "{} biases for {} weights", biases.size(), parts.size());
  for (size_t i = 0; i < biases.size(); ++i) {
    LS_REQUIRE(ShapeError, biases[i].rank() == 1 && biases[i].size(0) == parts[i].size(0),
               "bias of shape {} for a weight of shape {}", biases[i].shape().to_string(),
               parts[i].shape().to_string());
    LS_REQUIRE(DTypeError, biases[i].dtype() != DType::kI32, "bias of type {}; accepted: f32, f16, bf16",
               name_of(biases[i].dtype()));
    LS_REQUIRE(ShapeError, biases[i].device() == Device::cpu(), "bias on {}; it is packed from host memory",
               biases[i].device().to_string());
  }
}

}  // namespace

LinearWeight pack_linear_weight(const OpContext& context, std::span<const ConstTensorView> parts,
                                std::span<const ConstTensorView> biases, SegmentBounds segments) {
  check_segments(segments);
  check_parts(parts, biases, segments.back());
  check_context(context, parts[0].dtype());
  check_means(context);
  const auto body =
      context.device.kind == DeviceKind::kCpu ? cpu::pack_linear_weight : cuda_kernels().pack_linear_weight;
  return body(context, parts, biases, std::move(segments));
}

int64_t packed_linear_bytes(const OpContext& context, int64_t out_features, DType dtype,
                            const SegmentBounds& segments) {
  check_segments(segments);
  check_context(context, dtype);
  LS_REQUIRE(ShapeError, out_features >= 0, "{} output features", out_features);
  const auto body =
      context.device.kind == DeviceKind::kCpu ? cpu::packed_linear_bytes : cuda_kernels().packed_linear_bytes;
  return body(context, out_features, dtype, segments);
}

void linear(const OpContext& context, ConstTensorView x, const LinearWeight& weight, TensorView out) {
  LS_REQUIRE(ShapeError, x.rank() == 2 && x.size(1) == weight.in_features, "linear: x has shape {}, expected [*, {}]",
             x.shape().to_string(), weight.in_features);
  LS_REQUIRE(ShapeError, out.rank() == 2 && out.size(0) == x.size(0) && out.size(1) == weight.out_features,
             "linear: out has shape {}, expected [{}, {}]", out.shape().to_string(), x.size(0), weight.out_features);
  LS_REQUIRE(DTypeError, x.dtype() == weight.dtype, "linear: x is {}, its weight {}", name_of(x.dtype()),
             name_of(weight.dtype));
  LS_REQUIRE(DTypeError, out.dtype() == DType::kF32 || out.dtype() == weight.dtype,
             "linear: out is {}; accepted: f32 or the weight's {}", name_of(out.dtype()), name_of(weight.dtype));
  LS_REQUIRE(ShapeError, x.device() == context.device && out.device() == context.device,
             "linear on {}: x is on {}, out on {}", context.device.to_string(), x.device().to_string(),
             out.device().to_string());
  check_means(context);
  if (context.device.kind == DeviceKind::kCpu) {
    LS_CHECK(context.isa == weight.isa, "linear at instruction set '{}' with a weight packed for '{}'",
             name_of(context.isa), name_of(weight.isa));
  }
  const auto body = context.device.kind == DeviceKind::kCpu ? cpu::linear : cuda_kernels().linear;
  body(context, x, weight, out);
}

}  // namespace lockstep
