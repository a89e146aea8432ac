#include "kernels/cuda/state.h"

#include "core/cuda/check.h"
#include "core/cuda/memory.h"
#include "kernels/cuda/linear/library.h"

#include <algorithm>

namespace lockstep::cuda {

State::State(Device device) : device_(device), linear_library_(std::make_unique<LinearLibrary>(device)) {
  LS_CUDA(cudaDeviceGetAttribute(&num_multiprocessors_, cudaDevAttrMultiProcessorCount, device.ordinal));
}

State::~State() {
  for (const auto& blocks : blocks_) {
    for (void* const block : blocks) deallocate(block, device_);
  }
}

int64_t State::bytes() const { return bytes_ + linear_library_->bytes(); }

std::string State::libraries() const { return LinearLibrary::version(); }

void* State::scratch(ScratchUse use, int64_t bytes) {
  auto& blocks = blocks_[static_cast<size_t>(use)];
  int64_t& size = sizes_[static_cast<size_t>(use)];
  if (blocks.empty() || size < bytes) {
    // At least doubled: what is kept of outgrown blocks stays below the one in use.
    constexpr int64_t kAlignment = 512;
    const int64_t wanted = std::max({bytes, 2 * size, kAlignment});
    const int64_t grown = (wanted + kAlignment - 1) / kAlignment * kAlignment;
    blocks.reserve(blocks.size() + 1);  // so that nothing can fail between the allocation and its entry
    blocks.push_back(allocate(grown, device_));
    size = grown;
    bytes_ += grown;
  }
  return blocks.back();
}

State& state_of(const OpContext& context) {
  LS_CHECK(context.state != nullptr, "an operation on {} without a state", context.device.to_string());
  return static_cast<State&>(*context.state);
}

std::unique_ptr<OpState> make_op_state(Device device) { return std::make_unique<State>(device); }

}  // namespace lockstep::cuda
