// The module's side of kernels/op_state.h: scratch memory whose addresses stay, so that recorded graphs can name it.
#pragma once

#include "core/buffer.h"
#include "kernels/context.h"
#include "kernels/op_state.h"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace lockstep::cuda {

/// Who uses a piece of scratch memory; one use never disturbs another.
enum class ScratchUse : uint8_t { kAttention, kLinear, kLinearWorkspace, kSample, kSelection, kSum, kNumUses };

struct LinearLibrary;  // kernels/cuda/linear/library.h

class State final : public OpState {
 public:
  explicit State(Device device);
  ~State() override;
  int64_t bytes() const override;
  std::string libraries() const override;

  Device device() const { return device_; }
  int32_t num_multiprocessors() const { return num_multiprocessors_; }
  /// At least `bytes`, aligned to 256. Contents last until the next call for the same use. Outgrown memory is kept as
  /// long as this lives: a graph may still write to it.
  void* scratch(ScratchUse use, int64_t bytes);
  LinearLibrary& linear_library() { return *linear_library_; }

 private:
  Device device_;
  int32_t num_multiprocessors_ = 0;
  std::array<std::vector<void*>, static_cast<size_t>(ScratchUse::kNumUses)> blocks_;  // last: in use
  std::array<int64_t, static_cast<size_t>(ScratchUse::kNumUses)> sizes_{};
  int64_t bytes_ = 0;
  std::unique_ptr<LinearLibrary> linear_library_;
};

/// The state of a context, which must have one.
State& state_of(const OpContext& context);

}  // namespace lockstep::cuda
