// Waiting for another rank: spin, then yield the core, then sleep in short naps. Ranks may outnumber cores and share
// them with strangers: the one that is waited for may need this core.
#pragma once

#include "core/spin_wait.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <thread>

namespace lockstep {

class Backoff {
 public:
  explicit Backoff(int spins = SpinWait::kSpins) : spin_(spins) {}

  bool is_spinning() const { return spin_.is_spinning(); }
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

/// Learns how long spinning pays. A peer that runs on another core answers while one spins; a peer that needs this very
/// core answers only after one gave it up, and then every spin was lost.
class SpinBudget {
 public:
  /// Spins for the next wait: now and then all of them, to notice that cores have become free.
  int next() { return ++waits_ % kProbeEvery == 0 ? SpinWait::kSpins : spins_; }
  void ended(bool while_spinning) { spins_ = while_spinning ? SpinWait::kSpins : std::max(kFewest, spins_ / 2); }

 private:
  static constexpr int kFewest = 16;
  static constexpr uint32_t kProbeEvery = 32;
  int spins_ = SpinWait::kSpins;
  uint32_t waits_ = 0;
};

}  // namespace lockstep
