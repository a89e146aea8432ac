#include "launcher/runtime/peers.h"

#include <csignal>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace lockstep {
namespace {

TEST(Peers, AProcessRunsUntilItDies) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::pause();
    ::_exit(0);
  }
  const PeerProcess peer = process_of(child, 1);
  EXPECT_TRUE(is_running(peer));
  PeerProcess earlier = peer;
  --earlier.start_time;
  EXPECT_FALSE(is_running(earlier)) << "the number was given to a later process";
  ::kill(child, SIGKILL);
  siginfo_t info{};
  ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
  EXPECT_FALSE(is_running(peer)) << "dead, though nobody has reaped it";
  ::waitpid(child, nullptr, 0);
  EXPECT_FALSE(is_running(peer));
}

}  // namespace
}  // namespace lockstep
