// All-reduce between ranks that see the same memory: threads of a process or processes of a node.
//
// Every rank owns a piece of shared memory with two buffers, used in turn, and flags that count its all-reduces. A rank
// puts its partial sum into its own buffer, raises `arrived`, waits for all and reads the others' buffers in place.
//  - Small: everyone sums everything; one round of waiting.
//  - Large: each rank sums one slice in place, raises `summed`, waits for all and copies the slices together.
// Two buffers make a trailing barrier needless: a rank writes a buffer again only after an all-reduce in between, for
// which everyone had to arrive, having left the one that read it. Memory order: buffers are written before a release
// store of the flag and read after an acquire load of it.
#pragma once

#include "core/thread_pool.h"
#include "dist/comm/backoff.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace lockstep {

/// One rank's flags, in shared memory. Written by that rank only.
struct SharedSumFlags {
  alignas(64) std::atomic<uint64_t> arrived{0};
  std::array<std::atomic<int64_t>, 2> count{};  // elements that the rank brings, by buffer: they must agree
  alignas(64) std::atomic<uint64_t> summed{0};  // its slice is summed
  std::atomic<uint64_t> done{0};                // it reads no peer's buffer any more
};
static_assert(std::atomic<uint64_t>::is_always_lock_free, "flags are shared between processes");

/// One rank's side. Owns nothing of the shared memory. One thread at a time.
class SharedSum {
 public:
  /// `flags[r]` belongs to rank r. `while_waiting` is called now and then in long waits; it may throw.
  SharedSum(int32_t rank, std::vector<SharedSumFlags*> flags, std::function<void()> while_waiting);

  /// `pieces[r]` is rank r's memory of 2 * capacity bytes. Collective: no rank may be inside all_reduce.
  void use_buffers(std::vector<std::byte*> pieces, int64_t capacity);
  int64_t capacity() const { return capacity_; }

  /// This rank's buffer for the next all-reduce: a partial sum that lies there is not copied.
  std::byte* next_buffer() const { return buffer(rank_, sequence_ + 1); }
  /// out = pairwise sum over ranks; needs count * 4 <= capacity. `out` may lie in this rank's buffers.
  /// Throws: CommError if ranks bring different counts.
  void all_reduce(const float* partial, float* out, int64_t count, ThreadPool* threads);

 private:
  int32_t size() const { return static_cast<int32_t>(flags_.size()); }
  std::byte* buffer(int32_t rank, uint64_t sequence) const;
  bool in_own_buffers(const float* address) const;
  void wait_for(std::atomic<uint64_t> SharedSumFlags::*flag);
  void check_counts(int64_t count) const;
  void sum_whole(float* out, int64_t count, ThreadPool* threads);
  void sum_slices(float* out, int64_t count, ThreadPool* threads);

  const int32_t rank_;
  const std::vector<SharedSumFlags*> flags_;
  const std::function<void()> while_waiting_;
  std::vector<std::byte*> pieces_;
  int64_t capacity_ = 0;
  uint64_t sequence_ = 0;             // all-reduces begun
  std::vector<const float*> inputs_;  // everyone's buffer of the current all-reduce
  std::vector<float> scratch_;
  SpinBudget spins_;
};

/// Bytes that two-buffer memory should be given for requests of `bytes`: a power of two, so that it grows seldom.
int64_t shared_sum_capacity(int64_t bytes);

}  // namespace lockstep
