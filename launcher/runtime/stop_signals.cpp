#include "launcher/runtime/stop_signals.h"

#include <array>
#include <atomic>
#include <csignal>
#include <fmt/format.h>

namespace lockstep {
namespace {

constexpr std::array kSignals = {SIGTERM, SIGINT, SIGUSR1};

std::atomic<int> first_signal{0};
static_assert(std::atomic<int>::is_always_lock_free, "used in a signal handler");

extern "C" void remember(int signal) {
  int none = 0;
  first_signal.compare_exchange_strong(none, signal);
}

}  // namespace

StopSignals::StopSignals() {
  first_signal = 0;
  struct sigaction action {};
  action.sa_handler = remember;
  // SA_RESETHAND: the second one of a kind has its usual effect. Interrupted calls are taken up again.
  action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (const int signal : kSignals) sigaction(signal, &action, nullptr);
}

StopSignals::~StopSignals() {
  for (const int signal : kSignals) std::signal(signal, SIG_DFL);
  first_signal = 0;
}

int StopSignals::received() noexcept { return first_signal.load(std::memory_order_relaxed); }

std::string signal_name(int signal) {
  switch (signal) {
    case SIGTERM: return "SIGTERM";
    case SIGINT: return "SIGINT";
    case SIGUSR1: return "SIGUSR1";
    default: return fmt::format("signal {}", signal);
  }
}

}  // namespace lockstep
