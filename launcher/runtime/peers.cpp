#include "launcher/runtime/peers.h"

#include "core/hash.h"

#include <array>
#include <climits>
#include <csignal>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <optional>
#include <span>
#include <sstream>
#include <unistd.h>

namespace lockstep {
namespace {

struct ProcessState {
  char state = '?';
  uint64_t start_time = 0;
};

// proc(5): the name in parentheses may hold anything; behind it the fields are separated by spaces.
std::optional<ProcessState> state_of(int64_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  const size_t name_end = text.rfind(") ");
  if (name_end == text.npos) return std::nullopt;
  std::istringstream fields(text.substr(name_end + 2));
  ProcessState process;
  fields >> process.state;
  constexpr int kFieldsBetween = 18;  // state is field 3, starttime field 22
  std::string skipped;
  for (int i = 0; i < kFieldsBetween; ++i) fields >> skipped;
  fields >> process.start_time;
  return fields ? std::optional(process) : std::nullopt;
}

// Containers on one host have process numbers of their own.
uint64_t node_identity() {
  std::array<char, HOST_NAME_MAX + 1> host{};
  ::gethostname(host.data(), host.size() - 1);
  std::error_code fault;
  const std::filesystem::path space = std::filesystem::read_symlink("/proc/self/ns/pid", fault);
  return hash128(fmt::format("{} {}", host.data(), space.string())).low;
}

}  // namespace

PeerProcess process_of(int64_t pid, int32_t rank) {
  return {node_identity(), pid, state_of(pid).value_or(ProcessState{}).start_time, rank};
}

std::vector<PeerProcess> find_local_peers(Communicator& world) {
  const PeerProcess self = process_of(::getpid(), world.rank().value());
  std::vector<PeerProcess> all(static_cast<size_t>(world.size()));
  world.all_gather(std::as_bytes(std::span(&self, 1)), std::as_writable_bytes(std::span(all)));
  std::erase_if(all, [&](const PeerProcess& peer) { return peer.node != self.node || peer.pid == self.pid; });
  return all;
}

bool is_running(const PeerProcess& peer) {
  const auto process = state_of(peer.pid);
  // What cannot be read (out of descriptors, say) is not dead for that.
  if (!process) return ::kill(static_cast<pid_t>(peer.pid), 0) == 0;
  return process->start_time == peer.start_time && process->state != 'Z' && process->state != 'X';
}

}  // namespace lockstep
