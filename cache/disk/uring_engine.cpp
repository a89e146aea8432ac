#include "cache/disk/transfer_engine.h"

#include <algorithm>
#include <cerrno>
#include <deque>
#include <liburing.h>
#include <mutex>
#include <utility>
#include <vector>

namespace lockstep {
namespace {

/// A queue of this depth with pieces of this size keeps an NVMe drive busy: 64 MiB on their way.
constexpr unsigned kQueueDepth = 64;
constexpr int64_t kPieceBytes = int64_t{1} << 20;

/// Rings are mapped and unmapped one at a time. Two that come to lie at the same address are then ordered for TSan as
/// well, which does not see liburing's system calls.
std::mutex& ring_mutex() {
  static std::mutex mutex;
  return mutex;
}

/// Part of a transfer that is one request to the kernel.
struct Piece {
  Transfer* transfer;
  int64_t begin, end;
};

class UringEngine : public TransferEngine {
 public:
  explicit UringEngine(const io_uring& ring) : ring_(ring) { free_.reserve(kQueueDepth); }
  ~UringEngine() override {
    const std::lock_guard lock(ring_mutex());
    io_uring_queue_exit(&ring_);
  }
  UringEngine(const UringEngine&) = delete;
  UringEngine& operator=(const UringEngine&) = delete;

  void run(std::span<Transfer> transfers) override {
    free_.clear();
    for (unsigned i = 0; i < kQueueDepth; ++i) free_.push_back(i);
    waiting_.clear();
    for (Transfer& transfer : transfers) {
      transfer.error = is_broken_ ? -EIO : 0;
      for (int64_t begin = 0; begin < transfer.bytes && !is_broken_; begin += kPieceBytes)
        waiting_.push_back({&transfer, begin, std::min(begin + kPieceBytes, transfer.bytes)});
    }
    while (!waiting_.empty() || free_.size() < kQueueDepth) {
      if (!is_broken_) enqueue();
      wait_for_one();
      collect();
      if (is_broken_) fail_waiting();
    }
  }

 private:
  void enqueue() {
    while (!waiting_.empty() && !free_.empty()) {
      io_uring_sqe* entry = io_uring_get_sqe(&ring_);
      if (entry == nullptr) return;
      const unsigned place = free_.back();
      free_.pop_back();
      const Piece& piece = pieces_[place] = waiting_.front();
      waiting_.pop_front();
      const Transfer& transfer = *piece.transfer;
      const auto bytes = static_cast<unsigned>(piece.end - piece.begin);
      const auto offset = static_cast<uint64_t>(transfer.offset + piece.begin);
      if (transfer.is_write)
        io_uring_prep_write(entry, transfer.fd, transfer.data + piece.begin, bytes, offset);
      else
        io_uring_prep_read(entry, transfer.fd, transfer.data + piece.begin, bytes, offset);
      io_uring_sqe_set_data64(entry, place);
    }
  }

  /// Returns when a completion is there, or nothing is on its way any more.
  void wait_for_one() {
    const int result = io_uring_submit_and_wait(&ring_, free_.size() < kQueueDepth ? 1 : 0);
    if (result >= 0 || result == -EINTR || result == -EAGAIN || result == -EBUSY) return;
    // The ring takes nothing more. What it had not taken never starts; the rest is waited for, as its memory is in use.
    is_broken_ = true;
    const unsigned not_taken = io_uring_sq_ready(&ring_);
    const auto on_their_way = kQueueDepth - static_cast<unsigned>(free_.size()) - not_taken;
    io_uring_cqe* completion = nullptr;
    while (on_their_way > 0 && io_uring_wait_cqe_nr(&ring_, &completion, on_their_way) == -EINTR) {}
    collect();
    for (unsigned place = 0; place < kQueueDepth; ++place) {
      if (std::find(free_.begin(), free_.end(), place) != free_.end()) continue;
      pieces_[place].transfer->error = result;
      free_.push_back(place);
    }
  }

  void collect() {
    unsigned head = 0, count = 0;
    io_uring_cqe* completion = nullptr;
    io_uring_for_each_cqe(&ring_, head, completion) {
      ++count;
      const auto place = static_cast<unsigned>(io_uring_cqe_get_data64(completion));
      free_.push_back(place);
      finish(pieces_[place], completion->res);
    }
    io_uring_cq_advance(&ring_, count);
  }

  void finish(Piece piece, int result) {
    Transfer& transfer = *piece.transfer;
    if (result == -EINTR || result == -EAGAIN) {
      waiting_.push_back(piece);
    } else if (result <= 0) {
      if (transfer.error == 0) transfer.error = result < 0 ? result : transfer.is_write ? -EIO : -ENODATA;
    } else if (piece.begin + result < piece.end) {  // moved in part
      piece.begin += result;
      waiting_.push_back(piece);
    }
  }

  void fail_waiting() {
    for (const Piece& piece : waiting_) piece.transfer->error = -EIO;
    waiting_.clear();
  }

  io_uring ring_;
  bool is_broken_ = false;
  Piece pieces_[kQueueDepth] = {};
  std::vector<unsigned> free_;
  std::deque<Piece> waiting_;
};

}  // namespace

std::unique_ptr<TransferEngine> make_uring_engine(const std::shared_ptr<SystemCalls>& calls, std::string& refusal) {
  io_uring ring{};
  const int error = [&] {
    const std::lock_guard lock(ring_mutex());
    return calls->setup_uring(kQueueDepth, &ring);
  }();
  if (error < 0) {
    refusal = "io_uring_setup: " + error_text(error);
    return nullptr;
  }
  auto engine = std::make_unique<UringEngine>(ring);
  io_uring_probe* probe = io_uring_get_probe_ring(&ring);
  const bool has_all = probe != nullptr && io_uring_opcode_supported(probe, IORING_OP_READ) != 0 &&
                       io_uring_opcode_supported(probe, IORING_OP_WRITE) != 0;
  io_uring_free_probe(probe);
  if (has_all) return engine;
  refusal = "the kernel's io_uring has no plain reads and writes (Linux 5.6 has)";
  return nullptr;
}

}  // namespace lockstep
