// Tells when device copies have landed: a thread that looks at their events. Private to cache/transfer/.
//
// Looking, with short sleeps between, keeps the core free that a thread in cudaEventSynchronize would spin on.
#pragma once

#include "core/stream.h"

#include <array>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace lockstep {

/// Thread-safe.
class LandingWatch {
 public:
  static constexpr size_t kNumLanes = 2;

  LandingWatch() : thread_([this] { run(); }) {}
  /// Waits for everything that was added.
  ~LandingWatch();
  LandingWatch(const LandingWatch&) = delete;
  LandingWatch& operator=(const LandingWatch&) = delete;

  /// Calls `then` on the watch's thread when `event` is reached, with the stream's failure if it has one. Events of a
  /// lane are of one stream and come about in its order. `then` must not throw.
  void add(size_t lane, std::shared_ptr<const Event> event, std::function<void(std::exception_ptr)> then);

 private:
  struct Landing {
    std::shared_ptr<const Event> event;
    std::function<void(std::exception_ptr)> then;
  };
  bool look(size_t lane);
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::array<std::deque<Landing>, kNumLanes> lanes_;
  bool stop_ = false;
  std::thread thread_;  // last: it uses the members above
};

}  // namespace lockstep
