#include "dist/comm/local/local_shared.h"

#include "core/error.h"
#include "dist/comm/backoff.h"

#include <utility>

namespace lockstep {

void LocalAbort::raise(std::string_view reason) {
  const std::scoped_lock lock(mutex_);
  if (raised_.load(std::memory_order_relaxed)) return;
  reason_ = reason;
  raised_.store(true, std::memory_order_release);
}

void LocalAbort::check() const {
  if (!raised_.load(std::memory_order_acquire)) return;
  const std::scoped_lock lock(mutex_);
  LS_THROW(CommError, "the group was aborted: {}", reason_);
}

LocalShared::LocalShared(int32_t group_size, std::shared_ptr<LocalAbort> abort_flag)
    : size(group_size),
      abort(std::move(abort_flag)),
      flags(static_cast<size_t>(group_size)),
      sum_buffers(static_cast<size_t>(group_size)),
      published(static_cast<size_t>(group_size)) {}

void LocalShared::barrier() {
  abort->check();
  const uint64_t generation = generation_.load(std::memory_order_acquire);
  if (entered_.fetch_add(1, std::memory_order_acq_rel) + 1 == size) {
    entered_.store(0, std::memory_order_relaxed);
    generation_.store(generation + 1, std::memory_order_release);
    return;
  }
  for (Backoff backoff; generation_.load(std::memory_order_acquire) == generation;) {
    if (backoff.once()) abort->check();
  }
}

}  // namespace lockstep
