#include "dist/comm/collective_checks.h"

#include "core/error.h"

#include <numeric>

namespace lockstep {
namespace {

void check_on_host(const Communicator& communicator, Device device, const char* what) {
  LS_REQUIRE(NotCompiled, device.kind == DeviceKind::kCpu,
             "transport {} sums in host memory, but the {} is on {}; sums of device memory need transport nccl",
             communicator.transport(), what, device.to_string());
}

}  // namespace

void check_host_all_reduce(const Communicator& communicator, const OpContext& context, const ConstTensorView& partial,
                           const TensorView& out) {
  check_on_host(communicator, context.device, "context");
  check_on_host(communicator, partial.device(), "partial sum");
  check_on_host(communicator, out.device(), "output");
  LS_REQUIRE(DTypeError, partial.dtype() == DType::kF32 && out.dtype() == DType::kF32,
             "all-reduce of {} into {}; accepted: f32 into f32", name_of(partial.dtype()), name_of(out.dtype()));
  LS_REQUIRE(ShapeError, partial.shape().num_elements() == out.shape().num_elements(),
             "all-reduce of {} elements {} into {} elements {}", partial.shape().num_elements(),
             partial.shape().to_string(), out.shape().num_elements(), out.shape().to_string());
  LS_REQUIRE(ShapeError, partial.is_contiguous() && out.is_contiguous(),
             "all-reduce takes contiguous tensors; shapes {} and {}", partial.shape().to_string(),
             out.shape().to_string());
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
