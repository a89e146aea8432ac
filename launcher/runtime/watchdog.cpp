#include "launcher/runtime/watchdog.h"

#include <fmt/format.h>
#include <utility>

namespace lockstep {

Watchdog::Watchdog(Options options) : options_(std::move(options)), last_change_(std::chrono::steady_clock::now()) {
  last_progress_ = options_.progress();
  thread_ = std::thread([this] { watch(); });
}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Watchdog::watch() {
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, options_.interval, [this] { return stopped_; })) {
    const std::string message = look(std::chrono::steady_clock::now());
    if (message.empty()) continue;
    options_.give_up(message);
    return;
  }
}

std::string Watchdog::look(std::chrono::steady_clock::time_point now) {
  for (const PeerProcess& peer : options_.peers) {
    if (!is_running(peer)) return fmt::format("rank {} (process {}) has died", peer.rank, peer.pid);
  }
  const uint64_t progress = options_.progress();
  if (progress != std::exchange(last_progress_, progress)) last_change_ = now;
  if (options_.timeout.count() == 0 || now - last_change_ < options_.timeout) return "";
  return fmt::format("no step has ended for {} s (--step-timeout)",
                     std::chrono::duration_cast<std::chrono::seconds>(options_.timeout).count());
}

}  // namespace lockstep
