#include "launcher/batch/stop_agreement.h"

#include "core/log.h"
#include "launcher/runtime/stop_signals.h"

#include <thread>

namespace lockstep {
namespace {

// Beyond every row number, and small enough that each rank may add it: claims behind it find no rows either.
constexpr int64_t kStopMark = int64_t{1} << 40;
// Beyond what all marks of stopping ranks add up to.
constexpr int64_t kFinishMark = int64_t{1} << 60;
// The counter may lie on another node.
constexpr std::chrono::milliseconds kLookInterval{100};

}  // namespace

void StopAgreement::announce() {
  if (has_announced_ || StopSignals::received() == 0) return;
  has_announced_ = is_stopping_ = true;
  log_warn("{}: the job stops after this step", signal_name(StopSignals::received()));
  counter_.fetch_add(kStopMark);
}

bool StopAgreement::is_stopping() {
  announce();
  const auto now = std::chrono::steady_clock::now();
  if (is_stopping_ || now - last_look_ < kLookInterval) return is_stopping_;
  last_look_ = now;
  is_stopping_ = counter_.fetch_add(0) >= kStopMark;
  return is_stopping_;
}

void StopAgreement::finish() { counter_.fetch_add(kFinishMark); }

void StopAgreement::wait_for_finish() {
  constexpr std::chrono::milliseconds kPause{5};
  for (; counter_.fetch_add(0) < kFinishMark; std::this_thread::sleep_for(kPause)) announce();
}

}  // namespace lockstep
