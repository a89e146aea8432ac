// Waiting for another thread or process: spin briefly, then give up the core. Ranks and threads may outnumber cores, so
// no loop may spin without end: the one that is waited for may need this very core.
#pragma once

#include <sched.h>

namespace lockstep {

class SpinWait {
 public:
  static constexpr int kSpins = 1000;  // about 20 µs: longer than the gap between two operations of a step

  /// Spins for `spins` rounds before it gives up the core.
  explicit SpinWait(int spins = kSpins) : spins_(spins) {}

  /// One round of waiting. False when the caller has waited long enough to sleep on something instead.
  bool once() {
    if (rounds_ < spins_) {
      pause();
    } else {
      sched_yield();
    }
    return ++rounds_ < spins_ + kYields;
  }
  /// One round of waiting, for waits that are known to be short: never asks to sleep.
  void once_or_yield() {
    if (!once()) rounds_ = spins_;
  }
  /// False once it has given up the core.
  bool is_spinning() const { return rounds_ <= spins_; }
  void reset() { rounds_ = 0; }

 private:
  static void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
  static constexpr int kYields = 200;
  int spins_;
  int rounds_ = 0;
};

}  // namespace lockstep
