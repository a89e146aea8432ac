#include "dist/comm/mpi/check.h"
#include "dist/comm/mpi/host_sum.h"
#include "dist/comm/mpi/shared_window.h"
#include "dist/comm/shared_sum.h"

#include <memory>
#include <new>
#include <optional>
#include <vector>

namespace lockstep {
namespace {

class SharedMemorySum final : public HostSum {
 public:
  explicit SharedMemorySum(MPI_Comm comm) : comm_(comm) {}

  std::string_view transport() const override { return "mpi (shared memory)"; }

  void* partial_buffer(int64_t bytes) override {
    reserve(bytes);
    return sum_->next_buffer();
  }

  void all_reduce(const float* partial, float* out, int64_t count, ThreadPool* threads) override {
    reserve(count * static_cast<int64_t>(sizeof(float)));
    sum_->all_reduce(partial, out, count, threads);
  }

 private:
  // The same sizes reach every rank, so all make and replace their windows at the same call. The first window is made
  // when the first sum is due: many groups never sum.
  void reserve(int64_t bytes) {
    if (!flags_) make_flags();
    if (buffers_ && bytes <= sum_->capacity()) return;
    const int64_t capacity = shared_sum_capacity(bytes);
    buffers_.reset();
    buffers_ = std::make_unique<SharedWindow>(comm_, 2 * capacity);
    sum_->use_buffers(buffers_->parts(), capacity);
  }

  // Peers look at the flags after the buffers were made, which synchronises.
  void make_flags() {
    flags_ = std::make_unique<SharedWindow>(comm_, sizeof(SharedSumFlags));
    const int32_t rank = rank_of(comm_);
    std::vector<SharedSumFlags*> flags;
    for (int32_t r = 0; r < size_of(comm_); ++r) {
      std::byte* part = flags_->part(r);
      flags.push_back(r == rank ? new (part) SharedSumFlags : reinterpret_cast<SharedSumFlags*>(part));
    }
    sum_.emplace(rank, std::move(flags), [comm = comm_] { progress(comm); });
  }

  // In long waits: a peer may itself be waiting for a message that this rank's MPI still holds.
  static void progress(MPI_Comm comm) {
    int found = 0;
    LS_MPI(MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, comm, &found, MPI_STATUS_IGNORE));
  }

  const MPI_Comm comm_;
  std::unique_ptr<SharedWindow> flags_, buffers_;
  std::optional<SharedSum> sum_;
};

}  // namespace

std::unique_ptr<HostSum> make_shared_memory_sum(MPI_Comm comm) { return std::make_unique<SharedMemorySum>(comm); }

}  // namespace lockstep
