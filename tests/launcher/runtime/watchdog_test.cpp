#include "launcher/runtime/watchdog.h"

#include <atomic>
#include <csignal>
#include <future>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace lockstep {
namespace {

using std::chrono::milliseconds;

TEST(Watchdog, GivesUpWhenNothingMoves) {
  std::promise<std::string> said;
  const Watchdog watchdog({.progress = [] { return uint64_t{7}; },
                           .timeout = milliseconds(50),
                           .peers = {},
                           .give_up = [&](const std::string& message) { said.set_value(message); },
                           .interval = milliseconds(5)});
  EXPECT_NE(said.get_future().get().find("no step has ended for"), std::string::npos);
}

// As many looks as it likes: a counter that moves at each of them never times out.
TEST(Watchdog, StaysQuietWhileWorkGoesOn) {
  std::atomic<uint64_t> steps = 0;
  std::atomic<bool> gave_up = false;
  {
    const Watchdog watchdog({.progress = [&] { return ++steps; },
                             .timeout = milliseconds(1),
                             .peers = {},
                             .give_up = [&](const std::string&) { gave_up = true; },
                             .interval = milliseconds(2)});
    while (steps < 20) std::this_thread::sleep_for(milliseconds(1));
  }
  EXPECT_FALSE(gave_up);
}

TEST(Watchdog, WithoutATimeoutItWaits) {
  std::atomic<int> looks = 0;
  std::atomic<bool> gave_up = false;
  {
    const Watchdog watchdog({.progress =
                                 [&] {
                                   ++looks;
                                   return uint64_t{7};
                                 },
                             .peers = {},
                             .give_up = [&](const std::string&) { gave_up = true; },
                             .interval = milliseconds(1)});
    while (looks < 20) std::this_thread::sleep_for(milliseconds(1));
  }
  EXPECT_FALSE(gave_up);
}

TEST(Watchdog, TellsWhichRankDied) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::pause();
    ::_exit(0);
  }
  std::promise<std::string> said;
  std::atomic<uint64_t> steps = 0;
  const Watchdog watchdog({.progress = [&] { return ++steps; },
                           .peers = {process_of(child, 3)},
                           .give_up = [&](const std::string& message) { said.set_value(message); },
                           .interval = milliseconds(5)});
  ::kill(child, SIGKILL);
  const std::string message = said.get_future().get();
  EXPECT_NE(message.find("rank 3 (process " + std::to_string(child) + ") has died"), std::string::npos) << message;
  ::waitpid(child, nullptr, 0);
}

}  // namespace
}  // namespace lockstep
