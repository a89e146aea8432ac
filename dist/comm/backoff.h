// Waiting for another rank: spin, then yield the core, then sleep in short naps. Ranks may outnumber cores and share
// them with strangers: the one that is waited for may need this core.
#pragma once

#include "core/spin_wait.h"

#include <algorithm>
#include <chrono>
#include <thread>

namespace lockstep {

class Backoff {
 public:
  /// One round of waiting. True once it has become a long wait: then each round is a nap, and the caller may look at
  /// slower signs (a failed peer).
  bool once() {
    if (!napping_) {
      napping_ = !spin_.once();
      return false;
    }
    std::this_thread::sleep_for(nap_);
    nap_ = std::min(nap_ * 2, kLongestNap);
    return true;
  }

 private:
  static constexpr std::chrono::microseconds kLongestNap{200};  // small against a step of milliseconds
  SpinWait spin_;
  bool napping_ = false;
  std::chrono::microseconds nap_{20};
};

}  // namespace lockstep
