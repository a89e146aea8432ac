// What every job that draws rows does around its steps: a watchdog that ends a rank whose steps do not end, and the way
// in which all ranks come to the job's end together.
#pragma once

#include "launcher/batch/stop_agreement.h"
#include "launcher/runtime/watchdog.h"
#include "launcher/session.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

namespace lockstep {

/// One on every rank, from before its first step. Not thread-safe.
class JobWatch {
 public:
  /// `looks`: grows whenever the job looks at its state between steps and rows, so that rows that fail without a step
  /// count as work; it outlives the watch. `step_timeout_seconds`: 0 = no limit. `last_word`: said behind the reason
  /// when the watchdog ends the rank.
  /// Ranks: collective over the world.
  JobWatch(Session& session, StopAgreement& stop, const std::atomic<uint64_t>& looks, int64_t step_timeout_seconds,
           std::string last_word);

  /// Behind this rank's last step: from here on it may wait for other replicas as long as they take.
  /// `wait_for_leaders`, on rank 0, returns once all leaders are done: true if rows are left. Returns: the signal that
  /// stopped the job; 0 if no row is left. Ranks: collective over the world.
  int finish(const std::function<bool()>& wait_for_leaders);

 private:
  Session& session_;
  StopAgreement& stop_;
  const std::atomic<uint64_t>& looks_;
  std::atomic<bool> is_stepping_ = true;
  uint64_t ticks_ = 0;  // of the watching thread
  Watchdog watchdog_;   // last: it reads the others
};

}  // namespace lockstep
