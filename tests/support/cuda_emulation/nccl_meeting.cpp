#include "tests/support/cuda_emulation/nccl_meeting.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <sys/mman.h>
#include <unistd.h>

namespace lockstep::emulation {
namespace {

enum State : int32_t { kAbsent, kJoined, kLeft };

// Also of processes that ended and that nobody has asked for yet.
bool is_running(int64_t pid) {
  if (::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH) return false;
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  const size_t name_end = text.rfind(") ");
  return name_end == std::string::npos || (text[name_end + 2] != 'Z' && text[name_end + 2] != 'X');
}

}  // namespace

// All zero is its first state, so that whoever comes first makes it.
struct NcclMeeting::Shared {
  struct RankState {
    std::atomic<int64_t> pid;
    std::atomic<int32_t> state, device;
    std::array<std::atomic<uint64_t>, kMostRanks> announced;
  };
  std::atomic<int32_t> joined;
  std::array<std::atomic<uint64_t>, kKinds> arrived;
  std::array<RankState, kMostRanks> ranks;
};

NcclMeeting::NcclMeeting(const std::string& name, int size, int rank, int device)
    : name_(name), size_(size), rank_(rank) {
  const auto areas = static_cast<size_t>(size) * static_cast<size_t>(size) * kChunk;
  bytes_ = sizeof(Shared) + areas;
  const int file = ::shm_open(name.c_str(), O_CREAT | O_RDWR, 0600);
  if (file < 0 || ::ftruncate(file, static_cast<off_t>(bytes_)) != 0) {
    std::perror("emulated NCCL: shared memory");
    std::abort();
  }
  void* const mapped = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  if (mapped == MAP_FAILED) {
    std::perror("emulated NCCL: mmap");
    std::abort();
  }
  shared_ = static_cast<Shared*>(mapped);
  Shared::RankState& mine = shared_->ranks[static_cast<size_t>(rank)];
  mine.pid = ::getpid();
  mine.device = device;
  mine.state = kJoined;
  if (shared_->joined.fetch_add(1) + 1 == size) ::shm_unlink(name.c_str());
}

NcclMeeting::~NcclMeeting() {
  leave();
  if (!is_complete()) ::shm_unlink(name_.c_str());
  ::munmap(shared_, bytes_);
}

bool NcclMeeting::is_complete() const { return shared_->joined.load() == size_; }

bool NcclMeeting::has_shared_device() const {
  for (int a = 0; a < size_; ++a) {
    for (int b = 0; b < a; ++b) {
      if (shared_->ranks[static_cast<size_t>(a)].device == shared_->ranks[static_cast<size_t>(b)].device) return true;
    }
  }
  return false;
}

int NcclMeeting::lost_peer() const {
  for (int r = 0; r < size_; ++r) {
    const Shared::RankState& peer = shared_->ranks[static_cast<size_t>(r)];
    if (r == rank_ || peer.state == kAbsent) continue;
    if (peer.state == kLeft || !is_running(peer.pid)) return r;
  }
  return -1;
}

void NcclMeeting::leave() { shared_->ranks[static_cast<size_t>(rank_)].state = kLeft; }

uint64_t NcclMeeting::arrive(Kind kind) {
  shared_->arrived[kind].fetch_add(1);
  return ++arrivals_[kind];
}

// Nobody arrives at a barrier before all have arrived at the one before, so the count of arrivals tells.
bool NcclMeeting::passed(Kind kind, uint64_t number) const {
  return shared_->arrived[kind].load() >= number * static_cast<uint64_t>(size_);
}

std::atomic<uint64_t>& NcclMeeting::announced(int rank, int peer) const {
  return shared_->ranks[static_cast<size_t>(rank)].announced[static_cast<size_t>(peer)];
}

std::byte* NcclMeeting::area(int rank, int peer) const {
  auto* const areas = reinterpret_cast<std::byte*>(shared_ + 1);
  return areas + (static_cast<size_t>(rank) * static_cast<size_t>(size_) + static_cast<size_t>(peer)) * kChunk;
}

}  // namespace lockstep::emulation
