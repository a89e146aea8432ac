#include "launcher/trace/clock_offset.h"

#include "core/hash.h"

#include <array>
#include <fstream>
#include <limits>
#include <span>
#include <unistd.h>
#include <vector>

namespace lockstep {
namespace {

constexpr int kRoundTrips = 16;

template <class T>
void broadcast_value(Communicator& world, T& value, Rank root) {
  world.broadcast(std::as_writable_bytes(std::span(&value, 1)), root);
}

// Rank 0 asks `peer`. The result is rank 0's; the others take part in the broadcasts.
ClockOffset ask(Communicator& world, Rank peer, const std::function<int64_t()>& now) {
  int64_t shortest = std::numeric_limits<int64_t>::max();
  ClockOffset best;
  for (int i = 0; i < kRoundTrips; ++i) {
    int64_t asked = now(), theirs = 0;
    broadcast_value(world, asked, Rank(0));
    if (world.rank() == peer) theirs = now();
    broadcast_value(world, theirs, peer);
    const int64_t took = now() - asked;
    if (world.rank() != Rank(0) || took >= shortest) continue;
    shortest = took;
    best = {0, theirs - (asked + took / 2), took / 2};
  }
  return best;
}

}  // namespace

ClockOffset measure_clock_offset(Communicator& world, const std::string& machine, const std::function<int64_t()>& now) {
  const Hash128 mine = hash128(machine);
  std::vector<Hash128> all(static_cast<size_t>(world.size()));
  world.all_gather(std::as_bytes(std::span(&mine, 1)), std::as_writable_bytes(std::span(all)));
  ClockOffset result;
  std::vector<Hash128> known{all.front()};
  for (size_t rank = 1; rank < all.size(); ++rank) {
    bool is_known = false;
    for (const Hash128& one : known) is_known = is_known || one == all[rank];
    if (is_known) continue;
    known.push_back(all[rank]);
    ClockOffset offset = ask(world, Rank(static_cast<int32_t>(rank)), now);
    broadcast_value(world, offset, Rank(0));
    if (all[rank] == mine) result = offset;
  }
  result.at = now();
  return result;
}

int64_t on_clock_of_rank_0(int64_t time, const ClockOffset& first, const ClockOffset& last) {
  if (last.at <= first.at) return time - first.nanoseconds;
  const double share = static_cast<double>(time - first.at) / static_cast<double>(last.at - first.at);
  const auto drift = static_cast<double>(last.nanoseconds - first.nanoseconds);
  return time - first.nanoseconds - static_cast<int64_t>(drift * share);
}

std::string this_machine() {
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  std::string boot;  // tells machines of one name apart; empty where the kernel does not say
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), boot);
  return std::string(host.data()) + " " + boot;
}

}  // namespace lockstep
