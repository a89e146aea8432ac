// How all leaders learn that the job shall stop, whichever rank was told: a mark on the counter that they share.
#pragma once

#include "dist/work_counter.h"

#include <chrono>

namespace lockstep {

/// One on every rank. Not thread-safe.
class StopAgreement {
 public:
  explicit StopAgreement(WorkCounter& counter) : counter_(counter) {}

  /// Any rank, often: tells the others if a signal came to this one.
  void announce();
  /// Leaders, after every step: announces, and now and then asks whether another rank did. Once true, always true.
  bool is_stopping();
  /// Rank 0: all leaders are done.
  void finish();
  /// The other ranks, when they have nothing left to do: returns after rank 0's finish(). A signal that comes meanwhile
  /// is announced.
  void wait_for_finish();

 private:
  WorkCounter& counter_;
  bool has_announced_ = false, is_stopping_ = false;
  std::chrono::steady_clock::time_point last_look_{};
};

}  // namespace lockstep
