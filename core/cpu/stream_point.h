// A point of a CPU stream: a latch that carries the failure of the work before it. Thread-safe.
#pragma once

#include "core/stream_impl.h"

#include <condition_variable>
#include <exception>
#include <mutex>

namespace lockstep::cpu {

class LatchPoint final : public StreamPoint {
 public:
  void reach(std::exception_ptr failure) {
    {
      const std::lock_guard lock(mutex_);
      reached_ = true;
      failure_ = std::move(failure);
    }
    changed_.notify_all();
  }
  bool is_reached() const override {
    const std::lock_guard lock(mutex_);
    return reached_;
  }
  void wait() const override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return reached_; });
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  bool reached_ = false;
  std::exception_ptr failure_;
};

}  // namespace lockstep::cpu
