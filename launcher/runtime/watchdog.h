// Ends a rank that waits for something that will not come: a peer that died, a step that does not end.
//
// A thread of its own looks now and then at a counter that the work advances, and at the processes of this node. A rank
// that ends takes the job down with it: launchers end the other ranks when one leaves.
#pragma once

#include "launcher/runtime/peers.h"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace lockstep {

class Watchdog {
 public:
  struct Options {
    /// Advances with the work. Called from the watching thread.
    std::function<uint64_t()> progress;
    /// How long the counter may stand still; 0 = for ever.
    std::chrono::milliseconds timeout{0};
    /// Processes that must run as long as the watchdog does.
    std::vector<PeerProcess> peers;
    /// Told what happened, once, from the watching thread. Usually does not return.
    std::function<void(const std::string& message)> give_up;
    std::chrono::milliseconds interval{250};
  };

  explicit Watchdog(Options options);
  /// Stops watching.
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  void watch();
  /// What is wrong, "" if nothing.
  std::string look(std::chrono::steady_clock::time_point now);

  Options options_;
  uint64_t last_progress_ = 0;
  std::chrono::steady_clock::time_point last_change_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace lockstep
