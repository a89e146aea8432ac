#include "core/buffer.h"
#include "core/error.h"
#include "dist/comm/mpi/check.h"
#include "dist/comm/mpi/host_sum.h"
#include "dist/comm/pairwise_sum.h"

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

namespace lockstep {
namespace {

constexpr int64_t kGatherBytes = 64 * 1024;          // received in all: up to this latency counts, not volume
constexpr int64_t kMostElements = int64_t{1} << 28;  // MPI counts and displacements are 32-bit

float* floats(const Buffer& buffer) { return static_cast<float*>(buffer.data()); }

// Every element is summed whole by one rank that holds all ranks' terms, so that the order is the tree of pairwise_sum
// for every number of ranks. (Recursive doubling would keep it for powers of two only.)
class MessageSum final : public HostSum {
 public:
  explicit MessageSum(MPI_Comm comm)
      : comm_(comm),
        rank_(rank_of(comm)),
        size_(size_of(comm)),
        parts_(static_cast<size_t>(size_)),
        counts_(static_cast<size_t>(size_)),
        offsets_(static_cast<size_t>(size_)) {}

  std::string_view transport() const override { return "mpi"; }

  void* partial_buffer(int64_t bytes) override { return grown(partials_[(sequence_ + 1) & 1], bytes).data(); }

  void all_reduce(const float* partial, float* out, int64_t count, ThreadPool* threads) override {
    ++sequence_;
    if (count * size_ * static_cast<int64_t>(sizeof(float)) <= kGatherBytes) return gather_all(partial, out, count);
    for (int64_t at = 0; at < count; at += kMostElements) {
      sum_slices(partial + at, out + at, std::min(kMostElements, count - at), threads);
    }
  }

 private:
  static const Buffer& grown(Buffer& buffer, int64_t bytes) {
    if (buffer.bytes() < bytes || buffer.data() == nullptr) buffer = Buffer(std::max<int64_t>(bytes, kGatherBytes));
    return buffer;
  }

  // parts_[r] = rank r's terms, `stride` apart in `received`.
  void set_parts(const float* received, int64_t stride) {
    for (int32_t r = 0; r < size_; ++r) parts_[static_cast<size_t>(r)] = received + r * stride;
  }

  // Small: everyone receives everything and sums it.
  void gather_all(const float* partial, float* out, int64_t count) {
    float* received = floats(grown(received_, kGatherBytes));
    MPI_Request request = MPI_REQUEST_NULL;
    const int n = static_cast<int>(count);
    LS_MPI(MPI_Iallgather(partial, n, MPI_FLOAT, received, n, MPI_FLOAT, comm_, &request));
    wait_for(request);
    set_parts(received, count);
    pairwise_sum(parts_, count, out);
  }

  // Large: rank r receives everyone's slice r, sums it, and all gather the sums. `out` is written in the last step
  // only, so it may be `partial`.
  void sum_slices(const float* partial, float* out, int64_t count, ThreadPool* threads) {
    const auto bound = [&](int32_t r) { return static_cast<int>(count * r / size_); };
    for (int32_t r = 0; r < size_; ++r) {
      counts_[static_cast<size_t>(r)] = bound(r + 1) - bound(r);
      offsets_[static_cast<size_t>(r)] = bound(r);
    }
    const int own = counts_[static_cast<size_t>(rank_)];
    std::vector<int> own_counts(static_cast<size_t>(size_), own), own_offsets(static_cast<size_t>(size_));
    for (int32_t r = 0; r < size_; ++r) own_offsets[static_cast<size_t>(r)] = own * r;

    const int64_t slice_bytes = int64_t{own} * static_cast<int64_t>(sizeof(float));
    float* received = floats(grown(received_, slice_bytes * size_));
    MPI_Request request = MPI_REQUEST_NULL;
    LS_MPI(MPI_Ialltoallv(partial, counts_.data(), offsets_.data(), MPI_FLOAT, received, own_counts.data(),
                          own_offsets.data(), MPI_FLOAT, comm_, &request));
    wait_for(request);
    set_parts(received, own);
    float* sum = floats(grown(sum_, slice_bytes));
    pairwise_sum(parts_, own, sum, threads);
    LS_MPI(MPI_Iallgatherv(sum, own, MPI_FLOAT, out, counts_.data(), offsets_.data(), MPI_FLOAT, comm_, &request));
    wait_for(request);
  }

  const MPI_Comm comm_;
  const int32_t rank_, size_;
  uint64_t sequence_ = 0;           // sums begun
  std::array<Buffer, 2> partials_;  // used in turn
  Buffer received_, sum_;
  std::vector<const float*> parts_;
  std::vector<int> counts_, offsets_;  // slices, in elements
};

}  // namespace

std::unique_ptr<HostSum> make_message_sum(MPI_Comm comm) { return std::make_unique<MessageSum>(comm); }

}  // namespace lockstep
