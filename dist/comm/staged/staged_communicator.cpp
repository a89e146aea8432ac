#include "dist/comm/staged/staged_communicator.h"

#include "core/copy.h"
#include "core/pinned_buffer.h"
#include "dist/comm/collective_checks.h"
#include "dist/comm/kept_buffer.h"

#include <algorithm>
#include <utility>

namespace lockstep {
namespace {

// What goes through page-locked memory at once: large enough for the bus, small enough to be always there.
constexpr int64_t kPiece = int64_t{8} << 20;

class StagedCommunicator final : public Communicator {
 public:
  StagedCommunicator(std::unique_ptr<Communicator> host, Device device)
      : host_(std::move(host)),
        device_(device),
        transport_(fmt::format("{} (staged)", host_->transport())),
        partial_(device) {}

  Rank rank() const override { return host_->rank(); }
  int32_t size() const override { return host_->size(); }
  std::string_view transport() const override { return transport_; }
  void throw_if_failed() const override { host_->throw_if_failed(); }

  void* partial_buffer(int64_t bytes) override { return partial_.at_least(bytes); }

  void all_reduce_sum(const OpContext& context, ConstTensorView partial, TensorView out) override {
    if (context.device.kind == DeviceKind::kCpu) return host_->all_reduce_sum(context, partial, out);
    check_all_reduce(*this, context, device_, partial, out);
    const int64_t bytes = out.shape().num_elements() * size_of(DType::kF32);
    if (size() == 1) return copy(*context.stream, out.data(), partial.data(), bytes);

    OpContext on_host = context;
    on_host.device = Device::cpu();
    on_host.stream = nullptr;
    // A sum of nothing is a sum too: the peers count them.
    for (int64_t at = 0; at == 0 || at < bytes; at += kPiece) {
      const int64_t length = std::min(kPiece, bytes - at);
      float* const piece = static_cast<float*>(fetch(*context.stream, at_byte(partial.data(), at), length));
      const TensorView staged(piece, DType::kF32, {length / size_of(DType::kF32)});
      host_->all_reduce_sum(on_host, staged, staged);
      copy(*context.stream, at_byte(out.data(), at), piece, length);
      returned_.record(*context.stream);
    }
  }

  void all_gather_on_device(const OpContext& context, ConstTensorView in, TensorView out) override {
    if (context.device.kind == DeviceKind::kCpu) return host_->all_gather_on_device(context, in, out);
    check_device_all_gather(*this, context, device_, in, out);
    const int64_t bytes = in.shape().num_elements() * size_of(in.dtype());
    for (int64_t at = 0; at == 0 || at < bytes; at += kPiece) {
      const int64_t length = std::min(kPiece, bytes - at);
      const auto part = static_cast<size_t>(length);
      auto* const mine = static_cast<std::byte*>(fetch(*context.stream, at_byte(in.data(), at), length));
      if (gathered_.bytes() < length * size()) gathered_ = PinnedBuffer(length * size(), device_);
      auto* const all = gathered_.as<std::byte>();
      host_->all_gather({mine, part}, {all, part * static_cast<size_t>(size())});
      for (int32_t r = 0; r < size(); ++r) {
        copy(*context.stream, at_byte(out.data(), r * bytes + at), all + r * length, length);
      }
      returned_.record(*context.stream);
    }
  }

  void broadcast(std::span<std::byte> bytes, Rank root) override { host_->broadcast(bytes, root); }
  void all_gather(std::span<const std::byte> in, std::span<std::byte> out) override { host_->all_gather(in, out); }
  void gather(std::span<const std::byte> in, std::span<const int64_t> sizes, std::span<std::byte> out,
              Rank root) override {
    host_->gather(in, sizes, out, root);
  }
  int64_t all_reduce_min(int64_t value) override { return host_->all_reduce_min(value); }
  int64_t all_reduce_max(int64_t value) override { return host_->all_reduce_max(value); }
  void barrier() override { host_->barrier(); }
  std::unique_ptr<Mailbox> make_mailbox() override { return host_->make_mailbox(); }
  std::unique_ptr<Communicator> split(int32_t color, int32_t key) override {
    return make_staged_communicator(host_->split(color, key), device_);
  }

 private:
  static void* at_byte(void* data, int64_t offset) { return static_cast<std::byte*>(data) + offset; }
  static const void* at_byte(const void* data, int64_t offset) { return static_cast<const std::byte*>(data) + offset; }

  static void copy(Stream& stream, void* to, const void* from, int64_t bytes) {
    if (bytes > 0 && to != from) copy_async(stream, to, from, bytes);
  }

  // Brings `bytes` of device memory to the host and waits for them, and for the way back of what was there before,
  // which may have gone by another stream.
  void* fetch(Stream& stream, const void* from, int64_t bytes) {
    returned_.synchronize();
    if (staged_.bytes() < bytes) staged_ = PinnedBuffer(std::max(bytes, kLeastStaged), device_);
    copy(stream, staged_.data(), from, bytes);
    stream.synchronize();
    return staged_.data();
  }

  static constexpr int64_t kLeastStaged = int64_t{1} << 16;

  const std::unique_ptr<Communicator> host_;
  const Device device_;
  const std::string transport_;
  KeptBuffer partial_;
  Event returned_;  // behind the last copy to the device
  PinnedBuffer staged_, gathered_;
};

}  // namespace

std::unique_ptr<Communicator> make_staged_communicator(std::unique_ptr<Communicator> host, Device device) {
  LS_CHECK(device.kind == DeviceKind::kCuda, "sums on {} need no staging", device.to_string());
  return std::make_unique<StagedCommunicator>(std::move(host), device);
}

}  // namespace lockstep
