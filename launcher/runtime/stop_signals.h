// SIGTERM, SIGINT and SIGUSR1 as a wish to stop: what a person, Slurm's preemption, or a time limit announced ahead
// (`sbatch --signal=USR1@60`) sends. The job ends after the step at hand; the same command goes on later.
#pragma once

#include <string>

namespace lockstep {

/// While one lives, the three signals are remembered instead of ending the process; a second one ends it at once, as it
/// would have without. At most one in a process.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  /// The first signal that came, 0 if none. Async-signal-safe and thread-safe.
  static int received() noexcept;
};

/// "SIGTERM", "SIGINT", "SIGUSR1"; else "signal 7".
std::string signal_name(int signal);

}  // namespace lockstep
