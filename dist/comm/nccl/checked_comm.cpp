#include "dist/comm/nccl/checked_comm.h"

#include "core/cuda/check.h"
#include "core/error.h"
#include "dist/comm/backoff.h"

#include <cstring>
#include <exception>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <vector>

namespace lockstep::cuda {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kWatchMs = 100;  // a failure is noticed within this; a look costs a microsecond

ncclUniqueId native_id(const NcclId& id) {
  static_assert(sizeof(ncclUniqueId) == sizeof(NcclId));
  ncclUniqueId native;
  std::memcpy(&native, id.data(), sizeof(native));
  return native;
}

}  // namespace

void check_nccl(ncclResult_t result, const char* what) {
  LS_REQUIRE(NcclError, result == ncclSuccess, "{}: {} ({})", what, ncclGetErrorString(result),
             ncclGetLastError(nullptr));
}

CheckedComm::CheckedComm(const NcclGroupConfig& config) : config_(config) {
  LS_CUDA(cudaSetDevice(config.device.ordinal));
  stop_ = ::eventfd(0, EFD_CLOEXEC);
  LS_REQUIRE(NcclError, stop_ >= 0, "eventfd: {}", std::strerror(errno));
  watcher_ = std::thread([this] { watch(); });
  try {
    const std::scoped_lock lock(mutex_);
    ncclConfig_t native = NCCL_CONFIG_INITIALIZER;
    native.blocking = 0;
    complete("joining the ranks",
             ncclCommInitRankConfig(&comm_, config.size, native_id(config.id), config.rank, &native));
  } catch (...) {
    finish();
    throw;
  }
}

CheckedComm::~CheckedComm() {
  if (std::uncaught_exceptions() > 0) abort("this rank has failed");
  finish();
}

// Ends the watch, then the communicator.
void CheckedComm::finish() noexcept {
  const uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(stop_, &one, sizeof(one));
  watcher_.join();
  ::close(stop_);
  const std::scoped_lock lock(mutex_);
  if (comm_ == nullptr) return;
  try {
    complete("ending the group", ncclCommFinalize(comm_));
    ncclCommDestroy(comm_);
  } catch (const std::exception&) {  // aborted by then
  }
}

void CheckedComm::throw_if_failed() const { LS_REQUIRE(NcclError, !has_failed(), "{}", reason_); }

// A call that is in progress is asked for until it is not; nothing else may be called meanwhile.
void CheckedComm::complete(const char* what, ncclResult_t result) {
  const Clock::time_point deadline = Clock::now() + config_.time_limit;
  Backoff backoff;
  while (result == ncclInProgress) {
    if (const int32_t dead = dead_peer_.load(); dead >= 0) fail(fmt::format("the process of rank {} has ended", dead));
    if (Clock::now() > deadline) {
      fail(fmt::format("NCCL: {} took longer than {} s (LOCKSTEP_NCCL_TIMEOUT)", what,
                       std::chrono::duration<double>(config_.time_limit).count()));
    }
    backoff.once();
    const ncclResult_t asked = ncclCommGetAsyncError(comm_, &result);
    if (asked != ncclSuccess) result = asked;
  }
  if (result != ncclSuccess) fail(describe(what, result));
}

std::string CheckedComm::describe(const char* what, ncclResult_t result) const {
  const char* const last = ncclGetLastError(comm_);
  return fmt::format("NCCL: {}: {} ({})", what, ncclGetErrorString(result), last != nullptr ? last : "");
}

void CheckedComm::fail(const std::string& reason) {
  abort_locked(reason);
  throw_if_failed();
  LS_THROW(NcclError, "{}", reason);
}

void CheckedComm::abort(const std::string& reason) noexcept {
  const std::scoped_lock lock(mutex_);
  abort_locked(reason);
}

void CheckedComm::abort_locked(const std::string& reason) noexcept {
  if (has_failed()) return;
  reason_ = reason;
  failed_.store(true, std::memory_order_release);  // first: a rank that the abort frees must see it
  if (comm_ != nullptr) ncclCommAbort(comm_);
  comm_ = nullptr;
}

void CheckedComm::watch() {
  std::vector<pollfd> files = {{stop_, POLLIN, 0}};
  for (const NcclPeer& peer : config_.peers) files.push_back({peer.process, POLLIN, 0});
  while (!has_failed()) {
    ::poll(files.data(), files.size(), kWatchMs);
    if (files.front().revents != 0) return;
    for (size_t p = 1; p < files.size(); ++p) {
      if (files[p].revents != 0) dead_peer_.store(config_.peers[p - 1].rank);
    }
    // Where the lock is taken, a call is being waited for, which looks for failures itself.
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock.owns_lock()) {
      if (dead_peer_.load() >= 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      continue;
    }
    if (const std::string failure = find_failure(); !failure.empty()) abort_locked(failure);
  }
}

std::string CheckedComm::find_failure() {
  if (const int32_t dead = dead_peer_.load(); dead >= 0) return fmt::format("the process of rank {} has ended", dead);
  if (comm_ == nullptr) return "";  // not there yet
  ncclResult_t state = ncclSuccess;
  const ncclResult_t asked = ncclCommGetAsyncError(comm_, &state);
  if (asked != ncclSuccess) state = asked;
  return state == ncclSuccess || state == ncclInProgress ? "" : describe("a sum or gather failed", state);
}

}  // namespace lockstep::cuda
