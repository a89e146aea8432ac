// What `linear` keeps on a device between calls: cuBLASLt, staging memory for uploads, and the algorithms chosen.
// Used by one thread at a time, as its owner (kernels/cuda/state.h).
#pragma once

#include "core/pinned_buffer.h"
#include "core/stream.h"
#include "kernels/cuda/linear/plan.h"

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

namespace lockstep::cuda {

/// What all products over `in` features give for the same random operands, whatever their width and number of rows
/// [64 rows, 256 columns]; empty if no algorithm is good enough.
struct LinearReference {
  std::vector<float> values;
  MatmulAlgorithm algorithm{};
};

struct LinearLibrary {
  explicit LinearLibrary(Device device);
  ~LinearLibrary();
  LinearLibrary(const LinearLibrary&) = delete;
  LinearLibrary& operator=(const LinearLibrary&) = delete;

  /// Device bytes held (cuBLASLt's own not counted): none, scratch and workspace belong to the state.
  int64_t bytes() const { return 0; }
  /// "cuBLASLt 13.0.2": another version may add up in another order.
  static std::string version();

  cublasLtHandle_t handle = nullptr;
  /// By input features of a segment and type.
  std::map<std::tuple<int64_t, DType>, LinearReference> references;
  /// By out, in, segments, type, bias.
  std::map<std::tuple<int64_t, int64_t, int64_t, DType, bool>, std::shared_ptr<const LinearAlgorithm>> algorithms;

  /// Uploads fill one half while the other is on its way.
  PinnedBuffer staging;
  std::array<Event, 2> is_sent;
};

}  // namespace lockstep::cuda
