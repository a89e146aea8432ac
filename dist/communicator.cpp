#include "dist/communicator.h"

#include "dist/comm/collective_checks.h"
#include "kernels/add_bias.h"
#include "kernels/rms_norm.h"

#include <algorithm>
#include <array>
#include <cstring>

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

// One message where it is short: of a size that MPI sends without waiting for who receives it.
std::vector<std::byte> broadcast_bytes(Communicator& communicator, std::span<const std::byte> bytes, Rank root) {
  constexpr size_t kFirstMessage = 3584;
  const bool is_root = communicator.rank() == root;
  std::array<std::byte, kFirstMessage> first{};
  uint64_t size = bytes.size();
  constexpr size_t kRoom = kFirstMessage - sizeof(size);
  if (is_root) {
    std::memcpy(first.data(), &size, sizeof(size));
    std::copy_n(bytes.begin(), std::min(bytes.size(), kRoom), first.begin() + sizeof(size));
  }
  communicator.broadcast(first, root);
  std::memcpy(&size, first.data(), sizeof(size));

  std::vector<std::byte> received(size);
  if (is_root) received.assign(bytes.begin(), bytes.end());
  const auto num_first = std::min<size_t>(size, kRoom);
  std::copy_n(first.begin() + sizeof(size), num_first, received.begin());
  const std::span<std::byte> rest = std::span(received).subspan(num_first);
  if (!rest.empty()) communicator.broadcast(rest, root);
  return received;
}

}  // namespace lockstep
