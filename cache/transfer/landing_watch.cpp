#include "cache/transfer/landing_watch.h"

#include <chrono>
#include <utility>

namespace lockstep {

LandingWatch::~LandingWatch() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void LandingWatch::add(size_t lane, std::shared_ptr<const Event> event, std::function<void(std::exception_ptr)> then) {
  {
    const std::lock_guard lock(mutex_);
    lanes_[lane].push_back({std::move(event), std::move(then)});
  }
  changed_.notify_all();
}

// The oldest landing of a lane, if it is there. Returns whether it was.
bool LandingWatch::look(size_t lane) {
  std::shared_ptr<const Event> event;
  {
    const std::lock_guard lock(mutex_);
    if (lanes_[lane].empty()) return false;
    event = lanes_[lane].front().event;
  }
  std::exception_ptr failure;
  try {
    if (!event->is_reached()) return false;
  } catch (...) {
    failure = std::current_exception();
  }
  std::unique_lock lock(mutex_);
  const Landing landing = std::move(lanes_[lane].front());
  lanes_[lane].pop_front();
  lock.unlock();
  landing.then(failure);
  return true;
}

void LandingWatch::run() {
  constexpr std::chrono::microseconds kPause{30};  // small beside the copy of a page
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stop_ || !lanes_[0].empty() || !lanes_[1].empty(); });
      if (lanes_[0].empty() && lanes_[1].empty()) return;
    }
    bool has_landed = false;
    for (size_t lane = 0; lane < kNumLanes; ++lane) has_landed = look(lane) || has_landed;
    if (!has_landed) std::this_thread::sleep_for(kPause);
  }
}

}  // namespace lockstep
