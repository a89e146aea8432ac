// An NCCL communicator that fails in time: calls do not block, are waited for with a limit, and a watching thread
// aborts it when NCCL reports an error or a peer's process ends. In the CUDA module.
//
// Thread-safety: run() from one thread; throw_if_failed() from any. The lock is held during NCCL calls and while they
// are waited for, never while work runs on the GPU: that is where an abort has to come through.
#pragma once

#include "dist/comm/nccl/nccl_api.h"

#include <atomic>
#include <mutex>
#include <nccl.h>
#include <string>
#include <thread>

namespace lockstep::cuda {

/// Throws NcclError with NCCL's words unless `result` is success: for calls that need no communicator.
void check_nccl(ncclResult_t result, const char* what);

class CheckedComm {
 public:
  /// Ranks: collective. Throws: NcclError if the ranks do not come together within the limit.
  explicit CheckedComm(const NcclGroupConfig& config);
  /// Ends the communicator, or aborts it if it failed or an exception is on its way. Never waits beyond the limit.
  ~CheckedComm();
  CheckedComm(const CheckedComm&) = delete;
  CheckedComm& operator=(const CheckedComm&) = delete;

  /// Runs call(communicator), which returns an ncclResult_t, and waits until NCCL has taken it up: what it enqueued is
  /// then on its stream. Throws: NcclError, after which the communicator is gone.
  template <class Call>
  void run(const char* what, Call&& call) {
    throw_if_failed();
    const std::scoped_lock lock(mutex_);
    throw_if_failed();
    complete(what, call(comm_));
  }
  void throw_if_failed() const;
  bool has_failed() const { return failed_.load(std::memory_order_acquire); }
  /// Frees everybody who waits for this rank's GPU. No-throw.
  void abort(const std::string& reason) noexcept;

 private:
  void complete(const char* what, ncclResult_t result);
  [[noreturn]] void fail(const std::string& reason);
  void abort_locked(const std::string& reason) noexcept;
  void finish() noexcept;
  std::string describe(const char* what, ncclResult_t result) const;
  void watch();
  std::string find_failure();

  const NcclGroupConfig config_;
  mutable std::mutex mutex_;   // of comm_
  ncclComm_t comm_ = nullptr;  // null once it has failed
  std::string reason_;         // written before failed_
  std::atomic<bool> failed_ = false;
  std::atomic<int32_t> dead_peer_ = -1;
  int stop_ = -1;  // eventfd that ends the watch
  std::thread watcher_;
};

}  // namespace lockstep::cuda
