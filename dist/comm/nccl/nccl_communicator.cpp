#include "dist/comm/nccl/nccl_communicator.h"

#include "core/copy.h"
#include "core/error.h"
#include "dist/agree.h"
#include "dist/comm/collective_checks.h"
#include "dist/comm/kept_buffer.h"
#include "dist/comm/nccl/nccl_api.h"

#include <charconv>
#include <cstdlib>
#include <string_view>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

namespace lockstep {
namespace {

std::chrono::milliseconds default_time_limit() {
  constexpr int kSeconds = 120;
  const char* const text = std::getenv("LOCKSTEP_NCCL_TIMEOUT");
  if (text == nullptr || *text == '\0') return std::chrono::seconds(kSeconds);
  const std::string_view given(text);
  int seconds = 0;
  const auto [end, fault] = std::from_chars(given.data(), given.data() + given.size(), seconds);
  LS_REQUIRE(ConfigError, fault == std::errc() && end == given.data() + given.size() && seconds > 0,
             "LOCKSTEP_NCCL_TIMEOUT is '{}'; accepted: seconds, 1 or more", given);
  return std::chrono::seconds(seconds);
}

bool may_share_gpus() {
  const char* const enabled = std::getenv("NCCL_MULTI_RANK_GPU_ENABLE");
  return enabled != nullptr && std::string_view(enabled) == "1" && cuda_nccl().version() >= kNcclWithSharedGpus;
}

// Handles of the peers' processes that this one sees: the kernel tells when one ends, even while nobody has reaped it.
class Peers {
 public:
  Peers(std::span<const GpuPlace> places, Rank self) {
    const GpuPlace& mine = places[static_cast<size_t>(self.value())];
    for (size_t r = 0; r < places.size(); ++r) {
      if (places[r].process_space != mine.process_space || places[r].pid == mine.pid) continue;
      const auto process = static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(places[r].pid), 0));
      if (process >= 0) peers_.push_back({static_cast<int32_t>(r), process});  // else NCCL alone has to notice
    }
  }
  ~Peers() {
    for (const NcclPeer& peer : peers_) ::close(peer.process);
  }
  Peers(const Peers&) = delete;
  Peers& operator=(const Peers&) = delete;

  const std::vector<NcclPeer>& get() const { return peers_; }

 private:
  std::vector<NcclPeer> peers_;
};

class NcclCommunicator final : public Communicator {
 public:
  NcclCommunicator(std::unique_ptr<Communicator> control, Device device, NcclOptions options,
                   std::span<const GpuPlace> places)
      : control_(std::move(control)),
        device_(device),
        options_(options),
        alone_(device),
        peers_(places, control_->rank()) {}

  Rank rank() const override { return control_->rank(); }
  int32_t size() const override { return control_->size(); }
  std::string_view transport() const override { return "nccl"; }
  bool is_capturable() const override { return true; }
  void throw_if_failed() const override {
    if (group_) group_->throw_if_failed();
    control_->throw_if_failed();
  }

  void* partial_buffer(int64_t bytes) override {
    return size() == 1 ? alone_.at_least(bytes) : group().partial_buffer(bytes);
  }

  void all_reduce_sum(const OpContext& context, ConstTensorView partial, TensorView out) override {
    if (context.device.kind == DeviceKind::kCpu) return control().all_reduce_sum(context, partial, out);
    check_all_reduce(*this, context, device_, partial, out);
    const int64_t count = out.shape().num_elements();
    if (size() == 1) return copy(context, out.data(), partial.data(), count * size_of(DType::kF32));
    group().all_reduce_sum(context, partial.as<float>(), out.as<float>(), count);
  }

  void all_reduce_add_rms_norm(const OpContext& context, TensorView partial, TensorView residual,
                               std::optional<ConstTensorView> bias, ConstTensorView weight, float eps,
                               TensorView out) override {
    bool is_done = false;
    if (options_.fuses_norm && size() > 1 && context.device.kind == DeviceKind::kCuda) {
      check_sum_and_norm(*this, context, device_, partial, residual, bias, weight, out);
      is_done = group().sum_and_norm(context, partial, residual, bias, weight, eps, out);
    }
    if (!is_done) Communicator::all_reduce_add_rms_norm(context, partial, residual, bias, weight, eps, out);
  }

  void all_gather_on_device(const OpContext& context, ConstTensorView in, TensorView out) override {
    if (context.device.kind == DeviceKind::kCpu) return control().all_gather_on_device(context, in, out);
    check_device_all_gather(*this, context, device_, in, out);
    const int64_t bytes = in.shape().num_elements() * size_of(in.dtype());
    if (size() == 1) return copy(context, out.data(), in.data(), bytes);
    group().all_gather(context, in.data(), out.data(), bytes);
  }

  void broadcast(std::span<std::byte> bytes, Rank root) override { control().broadcast(bytes, root); }
  void all_gather(std::span<const std::byte> in, std::span<std::byte> out) override { control().all_gather(in, out); }
  void gather(std::span<const std::byte> in, std::span<const int64_t> sizes, std::span<std::byte> out,
              Rank root) override {
    control().gather(in, sizes, out, root);
  }
  int64_t all_reduce_min(int64_t value) override { return control().all_reduce_min(value); }
  int64_t all_reduce_max(int64_t value) override { return control().all_reduce_max(value); }
  void barrier() override { control().barrier(); }
  std::unique_ptr<Mailbox> make_mailbox() override { return control().make_mailbox(); }
  std::unique_ptr<Communicator> split(int32_t color, int32_t key) override {
    return make_nccl_communicator(control().split(color, key), device_, options_);
  }

 private:
  // A failed group's peers may be anywhere: nobody waits for them again.
  Communicator& control() const {
    throw_if_failed();
    return *control_;
  }

  NcclGroup& group() {
    if (!group_) {
      NcclGroupConfig config;
      config.rank = rank().value();
      config.size = size();
      config.device = device_;
      config.id = run_on_all_or_fail(*control_, [&] { return rank() == Rank(0) ? cuda_nccl().make_id() : NcclId{}; });
      control_->broadcast(config.id, Rank(0));
      config.time_limit = options_.time_limit;
      config.peers = peers_.get();
      config.fuses_norm = options_.fuses_norm;
      group_ = cuda_nccl().make_group(config);
    }
    return *group_;
  }

  static void copy(const OpContext& context, void* to, const void* from, int64_t bytes) {
    if (to != from) copy_async(*context.stream, to, from, bytes);
  }

  const std::unique_ptr<Communicator> control_;
  const Device device_;
  const NcclOptions options_;
  KeptBuffer alone_;  // partial sums of a group of one
  const Peers peers_;
  std::unique_ptr<NcclGroup> group_;
};

}  // namespace

std::string why_not_nccl(Communicator& control, std::span<const GpuPlace> places) {
  const bool may_share = control.all_reduce_min(may_share_gpus() ? 1 : 0) == 1;
  const auto shared = find_shared_gpu(places);
  if (!shared || may_share) return "";
  return fmt::format("{}, which NCCL refuses before 2.30 and without NCCL_MULTI_RANK_GPU_ENABLE=1",
                     describe_shared_gpu(places, *shared));
}

std::unique_ptr<Communicator> make_nccl_communicator(std::unique_ptr<Communicator> control, Device device,
                                                     const NcclOptions& options) {
  LS_REQUIRE(ConfigError, device.kind == DeviceKind::kCuda, "transport nccl sums on CUDA devices, not on {}",
             device.to_string());
  NcclOptions complete = options;
  if (complete.time_limit.count() == 0) {
    complete.time_limit = run_on_all_or_fail(*control, [] { return default_time_limit(); });
  }
  const std::vector<GpuPlace> places = gather_gpu_places(*control, device);
  const std::string why_not = why_not_nccl(*control, places);
  LS_REQUIRE(ConfigError, why_not.empty(), "transport nccl: {}; accepted here: auto, mpi", why_not);
  return std::make_unique<NcclCommunicator>(std::move(control), device, complete, places);
}

}  // namespace lockstep
