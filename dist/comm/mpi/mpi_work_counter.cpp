#include "dist/comm/mpi/mpi_work_counter.h"

#include "core/error.h"
#include "dist/comm/mpi/check.h"
#include "dist/comm/mpi/mpi_environment.h"
#include "dist/comm/mpi/shared_window.h"

#include <atomic>
#include <new>

namespace lockstep {
namespace {

constexpr int kHost = 0;

void synchronize(MPI_Comm comm) {
  MPI_Request barrier = MPI_REQUEST_NULL;
  LS_MPI(MPI_Ibarrier(comm, &barrier));
  wait_for(barrier);
}

class SharedMemoryCounter final : public WorkCounter {
 public:
  SharedMemoryCounter() : comm_(duplicate_world()), window_(comm_.get(), sizeof(std::atomic<int64_t>)) {
    std::byte* place = window_.part(kHost);
    if (rank_of(comm_.get()) == kHost) new (place) std::atomic<int64_t>(0);
    value_ = reinterpret_cast<std::atomic<int64_t>*>(place);
    synchronize(comm_.get());
  }

  int64_t fetch_add(int64_t count) override { return value_->fetch_add(count, std::memory_order_relaxed); }

 private:
  static_assert(std::atomic<int64_t>::is_always_lock_free, "the counter is shared between processes");
  const OwnedComm comm_;
  const SharedWindow window_;
  std::atomic<int64_t>* value_ = nullptr;
};

class OneSidedCounter final : public WorkCounter {
 public:
  OneSidedCounter() : comm_(duplicate_world()) {
    const bool is_host = rank_of(comm_.get()) == kHost;
    int64_t* value = nullptr;
    LS_MPI(
        MPI_Win_allocate(is_host ? sizeof(int64_t) : 0, sizeof(int64_t), MPI_INFO_NULL, comm_.get(), &value, &window_));
    LS_MPI(MPI_Win_set_errhandler(window_, MPI_ERRORS_RETURN));
    LS_MPI(MPI_Win_lock_all(MPI_MODE_NOCHECK, window_));
    if (is_host) *value = 0;
    LS_MPI(MPI_Win_sync(window_));
    synchronize(comm_.get());
  }

  ~OneSidedCounter() override {
    if (!may_release_mpi_objects()) return;
    MPI_Win_unlock_all(window_);
    MPI_Win_free(&window_);
  }

  int64_t fetch_add(int64_t count) override {
    int64_t before = 0;
    LS_MPI(MPI_Fetch_and_op(&count, &before, MPI_INT64_T, kHost, 0, MPI_SUM, window_));
    LS_MPI(MPI_Win_flush(kHost, window_));
    return before;
  }

 private:
  const OwnedComm comm_;
  MPI_Win window_ = MPI_WIN_NULL;
};

}  // namespace

std::unique_ptr<WorkCounter> make_mpi_work_counter(const MpiEnvironment& environment, Transport transport) {
  const bool shares = environment.is_single_node();
  LS_REQUIRE(ConfigError, transport != Transport::kNccl && (shares || transport != Transport::kSharedMemory),
             "a work counter by transport {} over {} ranks{}; accepted: auto, mpi", name_of(transport),
             environment.world_size(), shares ? "" : " that span nodes");
  if (shares && transport != Transport::kMpi) return std::make_unique<SharedMemoryCounter>();
  return std::make_unique<OneSidedCounter>();
}

}  // namespace lockstep
