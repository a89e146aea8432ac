// What the ranks of one local group share. Private to dist/comm/local/.
#pragma once

#include "core/buffer.h"
#include "dist/comm/shared_sum.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

/// Poison for a group and all groups split from it. Thread-safe.
class LocalAbort {
 public:
  /// Only the first reason is kept.
  void raise(std::string_view reason);
  /// Throws CommError if raised.
  void check() const;

 private:
  std::atomic<bool> raised_{false};
  mutable std::mutex mutex_;
  std::string reason_;
};

struct LocalShared {
  LocalShared(int32_t group_size, std::shared_ptr<LocalAbort> abort_flag);

  /// Returns when all ranks have entered; what each wrote before is visible to all after. Throws CommError on abort.
  void barrier();

  const int32_t size;
  const std::shared_ptr<LocalAbort> abort;
  std::vector<SharedSumFlags> flags;   // by rank
  std::vector<Buffer> sum_buffers;     // by rank
  std::vector<const void*> published;  // by rank: what a rank shows to the others between two barriers

 private:
  std::atomic<int32_t> entered_{0};
  std::atomic<uint64_t> generation_{0};
};

}  // namespace lockstep
