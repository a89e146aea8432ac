// One rank's side of tests of sums between GPUs: a context with stream and state of its own on a device.
#pragma once

#include "core/cuda_module.h"
#include "core/ids.h"
#include "core/stream.h"
#include "core/thread_pool.h"
#include "kernels/context.h"
#include "kernels/op_state.h"

#include <algorithm>
#include <memory>

namespace lockstep {

class GpuRank {
 public:
  /// On the rank's own GPU, or on one that ranks share if there are fewer.
  explicit GpuRank(Rank rank) : GpuRank(Device::cuda(rank.value() % std::max(cuda_status().num_devices, 1))) {}
  explicit GpuRank(Device device)
      : stream_(Stream::cuda(device)), state_(make_op_state(device)), threads_(1), context_() {
    context_.device = device;
    context_.stream = &stream_;
    context_.threads = &threads_;
    context_.state = state_.get();
  }
  GpuRank(const GpuRank&) = delete;
  GpuRank& operator=(const GpuRank&) = delete;

  const OpContext& context() const { return context_; }
  Device device() const { return context_.device; }
  Stream& stream() { return stream_; }

 private:
  Stream stream_;
  std::unique_ptr<OpState> state_;
  ThreadPool threads_;
  OpContext context_;
};

}  // namespace lockstep
