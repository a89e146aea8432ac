#include "launcher/batch/job_watch.h"

#include "core/log.h"
#include "launcher/commands/command.h"
#include "launcher/runtime/stop_signals.h"

#include <chrono>
#include <unistd.h>
#include <utility>

namespace lockstep {

JobWatch::JobWatch(Session& session, StopAgreement& stop, const std::atomic<uint64_t>& looks,
                   int64_t step_timeout_seconds, std::string last_word)
    : session_(session),
      stop_(stop),
      looks_(looks),
      watchdog_({.progress = [this] { return is_stepping_ ? session_.engine().progress() + looks_ : ++ticks_; },
                 .timeout = std::chrono::seconds(step_timeout_seconds),
                 .peers = find_local_peers(session.world()),
                 // This rank waits for something that will not come, so nothing may be waited for.
                 .give_up =
                     [last_word = std::move(last_word)](const std::string& message) {
                       log_error("{}; the job ends here. {}", message, last_word);
                       ::_exit(kExitFailure);
                     }}) {}

int JobWatch::finish(const std::function<bool()>& wait_for_leaders) {
  is_stepping_ = false;
  bool has_rows_left = false;
  if (session_.is_root()) {
    has_rows_left = wait_for_leaders();
    stop_.finish();
  } else {
    stop_.wait_for_finish();
  }
  // Which rank saw the stop, and when, does not matter: rank 0 knows what is missing.
  Communicator& world = session_.world();
  const bool was_stopped = world.all_reduce_max(has_rows_left ? 1 : 0) != 0;
  const auto signal = static_cast<int>(world.all_reduce_max(StopSignals::received()));
  return was_stopped ? signal : 0;
}

}  // namespace lockstep
