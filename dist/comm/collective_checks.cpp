#include "dist/comm/collective_checks.h"

#include "core/error.h"

#include <numeric>

namespace lockstep {
namespace {

void check_device(const Communicator& communicator, Device expected, Device device, const char* what) {
  LS_REQUIRE(NotCompiled, device == expected, "transport {} takes tensors on {}, but the {} is on {}{}",
             communicator.transport(), expected.to_string(), what, device.to_string(),
             device.kind == DeviceKind::kCuda && expected.kind == DeviceKind::kCpu
                 ? "; device memory needs transport nccl or a staged one"
                 : "");
}

void check_devices(const Communicator& communicator, const OpContext& context, Device expected,
                   const ConstTensorView& in, const TensorView& out) {
  check_device(communicator, expected, context.device, "context");
  check_device(communicator, expected, in.device(), "input");
  check_device(communicator, expected, out.device(), "output");
  LS_CHECK(expected.kind == DeviceKind::kCpu || context.stream != nullptr, "a context on {} without a stream",
           expected.to_string());
}

void check_contiguous(const char* what, const ConstTensorView& in, const TensorView& out) {
  LS_REQUIRE(ShapeError, in.is_contiguous() && out.is_contiguous(), "{} takes contiguous tensors; shapes {} and {}",
             what, in.shape().to_string(), out.shape().to_string());
}

}  // namespace

void check_all_reduce(const Communicator& communicator, const OpContext& context, Device device,
                      const ConstTensorView& partial, const TensorView& out) {
  check_devices(communicator, context, device, partial, out);
  LS_REQUIRE(DTypeError, partial.dtype() == DType::kF32 && out.dtype() == DType::kF32,
             "all-reduce of {} into {}; accepted: f32 into f32", name_of(partial.dtype()), name_of(out.dtype()));
  LS_REQUIRE(ShapeError, partial.shape().num_elements() == out.shape().num_elements(),
             "all-reduce of {} elements {} into {} elements {}", partial.shape().num_elements(),
             partial.shape().to_string(), out.shape().num_elements(), out.shape().to_string());
  check_contiguous("all-reduce", partial, out);
}

void check_sum_and_norm(const Communicator& communicator, const OpContext& context, Device device,
                        const TensorView& partial, const TensorView& residual,
                        const std::optional<ConstTensorView>& bias, const ConstTensorView& weight,
                        const TensorView& out) {
  check_all_reduce(communicator, context, device, partial, partial);
  check_device(communicator, device, residual.device(), "residual");
  check_device(communicator, device, out.device(), "output");
  check_device(communicator, device, weight.device(), "weight");
  LS_REQUIRE(ShapeError, partial.rank() == 2 && residual.shape() == partial.shape() && out.shape() == partial.shape(),
             "sum and norm of {} with residual {} into {}", partial.shape().to_string(), residual.shape().to_string(),
             out.shape().to_string());
  const Shape row{partial.size(1)};
  LS_REQUIRE(ShapeError, weight.shape() == row && (!bias || bias->shape() == row),
             "sum and norm of {} with weight {} and bias {}", partial.shape().to_string(), weight.shape().to_string(),
             bias ? bias->shape().to_string() : "none");
  LS_REQUIRE(DTypeError, residual.dtype() == DType::kF32 && (!bias || bias->dtype() == DType::kF32),
             "sum and norm with residual {} and bias {}; accepted: f32", name_of(residual.dtype()),
             bias ? name_of(bias->dtype()) : "none");
  if (bias) check_device(communicator, device, bias->device(), "bias");
}

void check_device_all_gather(const Communicator& communicator, const OpContext& context, Device device,
                             const ConstTensorView& in, const TensorView& out) {
  check_devices(communicator, context, device, in, out);
  LS_REQUIRE(DTypeError, in.dtype() == out.dtype(), "all-gather of {} into {}", name_of(in.dtype()),
             name_of(out.dtype()));
  LS_REQUIRE(ShapeError, out.shape().num_elements() == in.shape().num_elements() * communicator.size(),
             "all-gather of {} from {} ranks into {}", in.shape().to_string(), communicator.size(),
             out.shape().to_string());
  check_contiguous("all-gather", in, out);
}

void check_root(const Communicator& communicator, Rank root) {
  LS_REQUIRE(CommError, root.value() >= 0 && root.value() < communicator.size(), "root {} of a group of {} ranks",
             root.value(), communicator.size());
}

void check_all_gather(const Communicator& communicator, std::span<const std::byte> in, std::span<std::byte> out) {
  LS_REQUIRE(CommError, out.size() == in.size() * static_cast<size_t>(communicator.size()),
             "all-gather of {} bytes from {} ranks into {} bytes", in.size(), communicator.size(), out.size());
}

void check_gather(const Communicator& communicator, std::span<const std::byte> in, std::span<const int64_t> sizes,
                  std::span<std::byte> out, Rank root) {
  check_root(communicator, root);
  LS_REQUIRE(CommError, sizes.size() == static_cast<size_t>(communicator.size()), "{} sizes for a gather from {} ranks",
             sizes.size(), communicator.size());
  for (const int64_t size : sizes) LS_REQUIRE(CommError, size >= 0, "gather of a part of {} bytes", size);
  const int64_t announced = sizes[static_cast<size_t>(communicator.rank().value())];
  LS_REQUIRE(CommError, static_cast<int64_t>(in.size()) == announced, "gather: rank {} brings {} bytes, announced {}",
             communicator.rank().value(), in.size(), announced);
  const int64_t expected = communicator.rank() == root ? std::accumulate(sizes.begin(), sizes.end(), int64_t{0}) : 0;
  LS_REQUIRE(CommError, static_cast<int64_t>(out.size()) == expected,
             "gather: rank {} receives {} bytes, but its output has {}", communicator.rank().value(), expected,
             out.size());
}

}  // namespace lockstep
