// WorkCounter between threads of one process.
#pragma once

#include "dist/work_counter.h"

#include <atomic>
#include <memory>
#include <utility>

namespace lockstep {

/// One rank's side; ranks that were given the same `count` (which starts at 0) share it. Thread-safe.
class LocalWorkCounter final : public WorkCounter {
 public:
  explicit LocalWorkCounter(std::shared_ptr<std::atomic<int64_t>> count) : count_(std::move(count)) {}
  int64_t fetch_add(int64_t count) override { return count_->fetch_add(count, std::memory_order_relaxed); }

 private:
  const std::shared_ptr<std::atomic<int64_t>> count_;
};

}  // namespace lockstep
