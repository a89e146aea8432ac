// Two processes as ranks 0 and 1 without a launcher, which would end both when one dies: the control plane of tests of
// death. Through memory that both map; waits have no limit.
#pragma once

#include "core/error.h"
#include "dist/communicator.h"

#include <atomic>
#include <csignal>
#include <cstring>
#include <functional>
#include <sys/mman.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>

namespace lockstep {

struct ForkedMemory {
  std::atomic<int> arrived;
  std::byte parts[2][4096];
};

class ForkedCommunicator final : public Communicator {
 public:
  ForkedCommunicator(ForkedMemory& memory, Rank rank) : memory_(memory), rank_(rank) {}

  Rank rank() const override { return rank_; }
  int32_t size() const override { return 2; }
  std::string_view transport() const override { return "forked"; }
  void* partial_buffer(int64_t) override { LS_THROW(Error, "not here"); }
  void all_reduce_sum(const OpContext&, ConstTensorView, TensorView) override { LS_THROW(Error, "not here"); }

  void all_gather(std::span<const std::byte> in, std::span<std::byte> out) override {
    LS_CHECK(in.size() <= sizeof(memory_.parts[0]), "{} bytes", in.size());
    std::memcpy(memory_.parts[rank_.value()], in.data(), in.size());
    barrier();
    for (size_t r = 0; r < 2; ++r) std::memcpy(out.data() + r * in.size(), memory_.parts[r], in.size());
    barrier();
  }
  void broadcast(std::span<std::byte> bytes, Rank root) override {
    std::vector<std::byte> all(2 * bytes.size());
    all_gather(bytes, all);
    std::memcpy(bytes.data(), all.data() + static_cast<size_t>(root.value()) * bytes.size(), bytes.size());
  }
  void gather(std::span<const std::byte>, std::span<const int64_t>, std::span<std::byte>, Rank) override {
    LS_THROW(Error, "not here");
  }
  int64_t all_reduce_min(int64_t value) override { return std::min(both(value).first, both_.second); }
  int64_t all_reduce_max(int64_t value) override { return std::max(both(value).first, both_.second); }
  void barrier() override {
    const int target = ++barriers_ * 2;
    ++memory_.arrived;
    while (memory_.arrived < target) std::this_thread::yield();
  }
  std::unique_ptr<Communicator> split(int32_t, int32_t) override { LS_THROW(Error, "not here"); }
  std::unique_ptr<Mailbox> make_mailbox() override { LS_THROW(Error, "not here"); }

 private:
  const std::pair<int64_t, int64_t>& both(int64_t value) {
    int64_t values[2] = {};
    all_gather(std::as_bytes(std::span(&value, 1)), std::as_writable_bytes(std::span(values)));
    return both_ = {values[0], values[1]};
  }

  ForkedMemory& memory_;
  const Rank rank_;
  int barriers_ = 0;
  std::pair<int64_t, int64_t> both_;
};

/// Runs `child` as rank 1 in a process of its own, which ends with it and at the latest with this object.
class ForkedPair {
 public:
  explicit ForkedPair(const std::function<void(std::unique_ptr<Communicator>)>& child)
      : memory_(static_cast<ForkedMemory*>(
            ::mmap(nullptr, sizeof(ForkedMemory), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {
    LS_CHECK(memory_ != MAP_FAILED, "mmap failed");
    pid_ = ::fork();
    LS_CHECK(pid_ >= 0, "fork failed");
    if (pid_ > 0) return;
    child(std::make_unique<ForkedCommunicator>(*memory_, Rank(1)));
    ::_exit(0);
  }
  ~ForkedPair() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    ::munmap(memory_, sizeof(ForkedMemory));
  }
  ForkedPair(const ForkedPair&) = delete;
  ForkedPair& operator=(const ForkedPair&) = delete;

  std::unique_ptr<Communicator> parent() { return std::make_unique<ForkedCommunicator>(*memory_, Rank(0)); }

 private:
  ForkedMemory* memory_;
  pid_t pid_ = -1;
};

}  // namespace lockstep
