#include "dist/comm/shared_sum.h"

#include "core/error.h"
#include "dist/comm/pairwise_sum.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

namespace lockstep {
namespace {

constexpr int64_t kMinCapacity = 16 * 1024;
constexpr int64_t kLineFloats = 16;  // slices begin on cache lines: two ranks never write one line

// Summing everything costs each rank `size` reads an element, slices about 3 and a second wait of some microseconds.
// With two ranks the reads are equal, so slices only lose.
constexpr int64_t kWholeReads = 64 * 1024;
bool use_slices(int64_t count, int32_t size) { return size > 2 && count * size > kWholeReads; }

struct Slice {
  int64_t begin, end;
};
Slice slice_of(int64_t count, int32_t size, int32_t rank) {
  const auto bound = [&](int32_t r) { return r == size ? count : count * r / size / kLineFloats * kLineFloats; };
  return {bound(rank), bound(rank + 1)};
}

}  // namespace

int64_t shared_sum_capacity(int64_t bytes) {
  return static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(std::max(bytes, kMinCapacity))));
}

SharedSum::SharedSum(int32_t rank, std::vector<SharedSumFlags*> flags, std::function<void()> while_waiting)
    : rank_(rank), flags_(std::move(flags)), while_waiting_(std::move(while_waiting)), inputs_(flags_.size()) {}

void SharedSum::use_buffers(std::vector<std::byte*> pieces, int64_t capacity) {
  pieces_ = std::move(pieces);
  capacity_ = capacity;
}

std::byte* SharedSum::buffer(int32_t rank, uint64_t sequence) const {
  return pieces_[static_cast<size_t>(rank)] + static_cast<int64_t>(sequence & 1) * capacity_;
}

bool SharedSum::in_own_buffers(const float* address) const {
  const std::byte* begin = pieces_[static_cast<size_t>(rank_)];
  const auto* byte = reinterpret_cast<const std::byte*>(address);
  return std::less_equal<>{}(begin, byte) && std::less<>{}(byte, begin + 2 * capacity_);
}

void SharedSum::wait_for(std::atomic<uint64_t> SharedSumFlags::*flag) {
  Backoff backoff(spins_.next());
  for (const SharedSumFlags* peer : flags_) {
    while ((peer->*flag).load(std::memory_order_acquire) < sequence_) {
      if (backoff.once()) while_waiting_();
    }
  }
  spins_.ended(backoff.is_spinning());
}

void SharedSum::check_counts(int64_t count) const {
  for (int32_t r = 0; r < size(); ++r) {
    const int64_t theirs =
        flags_[static_cast<size_t>(r)]->count[static_cast<size_t>(sequence_ & 1)].load(std::memory_order_relaxed);
    LS_REQUIRE(CommError, theirs == count, "all-reduce {}: rank {} brings {} elements, rank {} brings {}", sequence_,
               rank_, count, r, theirs);
  }
}

void SharedSum::all_reduce(const float* partial, float* out, int64_t count, ThreadPool* threads) {
  const auto bytes = static_cast<size_t>(count) * sizeof(float);
  LS_CHECK(static_cast<int64_t>(bytes) <= capacity_, "all-reduce of {} bytes through buffers of {}", bytes, capacity_);
  std::byte* own = next_buffer();
  if (count > 0 && static_cast<const void*>(partial) != own) std::memmove(own, partial, bytes);

  ++sequence_;
  SharedSumFlags& mine = *flags_[static_cast<size_t>(rank_)];
  mine.count[static_cast<size_t>(sequence_ & 1)].store(count, std::memory_order_relaxed);
  mine.arrived.store(sequence_, std::memory_order_release);
  wait_for(&SharedSumFlags::arrived);
  check_counts(count);

  for (int32_t r = 0; r < size(); ++r) {
    inputs_[static_cast<size_t>(r)] = reinterpret_cast<const float*>(buffer(r, sequence_));
  }
  use_slices(count, size()) ? sum_slices(out, count, threads) : sum_whole(out, count, threads);
}

void SharedSum::sum_whole(float* out, int64_t count, ThreadPool* threads) {
  std::atomic<uint64_t>& done = flags_[static_cast<size_t>(rank_)]->done;
  if (!in_own_buffers(out)) {
    pairwise_sum(inputs_, count, out, threads);
    done.store(sequence_, std::memory_order_release);
    return;
  }
  // Peers still read this rank's buffer: the sum may replace it when all have finished.
  scratch_.resize(static_cast<size_t>(count));
  pairwise_sum(inputs_, count, scratch_.data(), threads);
  done.store(sequence_, std::memory_order_release);
  wait_for(&SharedSumFlags::done);
  std::copy(scratch_.begin(), scratch_.end(), out);
}

void SharedSum::sum_slices(float* out, int64_t count, ThreadPool* threads) {
  // Only this rank reads its slice of the buffers, so its own buffer can take the sum.
  SharedSumFlags& mine = *flags_[static_cast<size_t>(rank_)];
  const Slice own = slice_of(count, size(), rank_);
  std::vector<const float*> parts(inputs_.size());
  std::transform(inputs_.begin(), inputs_.end(), parts.begin(), [&](const float* input) { return input + own.begin; });
  auto* own_sum = reinterpret_cast<float*>(buffer(rank_, sequence_)) + own.begin;
  pairwise_sum(parts, own.end - own.begin, own_sum, threads);
  mine.summed.store(sequence_, std::memory_order_release);
  wait_for(&SharedSumFlags::summed);

  // If `out` is this rank's buffer, the copies fill only slices that no peer reads from here.
  for (int32_t r = 0; r < size(); ++r) {
    const Slice slice = slice_of(count, size(), r);
    const float* from = inputs_[static_cast<size_t>(r)] + slice.begin;
    float* to = out + slice.begin;
    if (from != to) std::copy(from, from + (slice.end - slice.begin), to);
  }
  mine.done.store(sequence_, std::memory_order_release);
  // The caller may change `out` at once, and peers read this rank's slice from here.
  if (in_own_buffers(out)) wait_for(&SharedSumFlags::done);
}

}  // namespace lockstep
