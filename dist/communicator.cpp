#include "dist/communicator.h"

#include "dist/comm/collective_checks.h"
#include "kernels/add_bias.h"
#include "kernels/rms_norm.h"

namespace lockstep {

void Communicator::all_reduce_add_rms_norm(const OpContext& context, TensorView partial, TensorView residual,
                                           std::optional<ConstTensorView> bias, ConstTensorView weight, float eps,
                                           TensorView out) {
  if (size() > 1) all_reduce_sum(context, partial, partial);
  if (bias) add_bias(context, partial, *bias);
  add_rms_norm(context, residual, partial, weight, eps, out);
}

void Communicator::all_gather_on_device(const OpContext& context, ConstTensorView in, TensorView out) {
  check_device_all_gather(*this, context, Device::cpu(), in, out);
  const auto bytes = [](const auto& view) {
    return static_cast<size_t>(view.shape().num_elements() * size_of(view.dtype()));
  };
  all_gather({static_cast<const std::byte*>(in.data()), bytes(in)}, {static_cast<std::byte*>(out.data()), bytes(out)});
}

std::vector<std::byte> broadcast_bytes(Communicator& communicator, std::span<const std::byte> bytes, Rank root) {
  const bool is_root = communicator.rank() == root;
  int64_t size = is_root ? static_cast<int64_t>(bytes.size()) : 0;
  communicator.broadcast(std::as_writable_bytes(std::span(&size, 1)), root);

  std::vector<std::byte> received(static_cast<size_t>(size));
  if (is_root) received.assign(bytes.begin(), bytes.end());
  if (size > 0) communicator.broadcast(received, root);
  return received;
}

}  // namespace lockstep
