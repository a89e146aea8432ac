// Where the ranks of an emulated NCCL group meet: a block of POSIX shared memory, named by the group's id.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace lockstep::emulation {

class NcclMeeting {
 public:
  static constexpr int kMostRanks = 16;
  static constexpr size_t kChunk = size_t{64} << 10;  // bytes from one rank to one other, per round

  /// Joins without waiting.
  NcclMeeting(const std::string& name, int size, int rank, int device);
  ~NcclMeeting();
  NcclMeeting(const NcclMeeting&) = delete;
  NcclMeeting& operator=(const NcclMeeting&) = delete;

  int size() const { return size_; }
  int rank() const { return rank_; }
  bool is_complete() const;
  /// Two ranks on one device, if any.
  bool has_shared_device() const;
  /// Of a peer that left or whose process ended; -1: none.
  int lost_peer() const;
  void leave();

  /// The k-th barrier of each of two kinds: for the hosts, for the streams. Arrives; passed() once all ranks have.
  enum Kind { kHost, kStream, kKinds };
  uint64_t arrive(Kind kind);
  bool passed(Kind kind, uint64_t number) const;

  /// What `rank` announces for `peer` in the present step. Written between barriers.
  std::atomic<uint64_t>& announced(int rank, int peer) const;
  /// Bytes on their way from `rank` to `peer`.
  std::byte* area(int rank, int peer) const;

 private:
  struct Shared;
  const std::string name_;
  const int size_, rank_;
  std::array<uint64_t, kKinds> arrivals_{};
  size_t bytes_ = 0;
  Shared* shared_ = nullptr;
};

}  // namespace lockstep::emulation
