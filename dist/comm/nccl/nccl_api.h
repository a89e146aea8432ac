// What the CUDA module offers for sums between GPUs, and its table. NcclCommunicator uses it; the bodies, and all that
// knows <nccl.h>, are in the module.
#pragma once

#include "core/device.h"
#include "core/tensor_view.h"
#include "kernels/context.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace lockstep {

/// Names a group to NCCL; made by one rank and carried to the others.
using NcclId = std::array<std::byte, 128>;

/// A peer's process on this machine.
struct NcclPeer {
  int32_t rank = 0;
  int process = -1;  // pidfd_open(2): readable once the process has ended
};

struct NcclGroupConfig {
  NcclId id{};
  int32_t rank = 0, size = 1;
  Device device = Device::cuda(0);
  /// How long the host waits for NCCL to join ranks, register memory or take up a call.
  std::chrono::milliseconds time_limit{120'000};
  /// Processes whose end is the end of the group.
  std::vector<NcclPeer> peers;
  /// Ask for NcclGroup::sum_and_norm.
  bool fuses_norm = false;
};

/// The GPUs of several ranks. Every call is collective unless it says so, and enqueues on the context's stream, where
/// it may be recorded. A thread of the group's own watches NCCL and the peers: when something fails it aborts what runs
/// on the GPU, which frees whoever synchronises with the stream, and from then on every call throws NcclError.
class NcclGroup {
 public:
  virtual ~NcclGroup() = default;
  /// See Communicator::throw_if_failed. Local, any thread.
  virtual void throw_if_failed() const = 0;
  /// See Communicator::partial_buffer. Not within a recording if it has to grow.
  virtual void* partial_buffer(int64_t bytes) = 0;
  /// Sums `count` elements in the order of dist/comm/pairwise_sum.h. `out` may be `partial`.
  virtual void all_reduce_sum(const OpContext& context, const float* partial, float* out, int64_t count) = 0;
  /// `bytes` of every rank to `out`.
  virtual void all_gather(const OpContext& context, const void* in, void* out, int64_t bytes) = 0;
  /// See Communicator::all_reduce_add_rms_norm. False, on all ranks alike, where one kernel cannot do it: nothing was
  /// enqueued then.
  virtual bool sum_and_norm(const OpContext& context, TensorView partial, TensorView residual,
                            std::optional<ConstTensorView> bias, ConstTensorView weight, float eps, TensorView out) = 0;
};

/// NCCL's version as it numbers it, and the first that lets two ranks use one GPU.
inline constexpr int32_t kNcclWithSharedGpus = 23000;

struct CudaNcclApi {
  /// Of the library in use. Throws NcclError.
  int32_t (*version)();
  NcclId (*make_id)();
  /// Ranks: collective; returns when all have come. Throws: NcclError.
  std::unique_ptr<NcclGroup> (*make_group)(const NcclGroupConfig& config);
};

/// Throws NotCompiled where the CUDA module is not there.
const CudaNcclApi& cuda_nccl();

}  // namespace lockstep
