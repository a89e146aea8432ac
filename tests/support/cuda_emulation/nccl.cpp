// Emulated NCCL: see include/nccl.h. A call of a group that does not block is in progress until it was asked for twice;
// only then its work is on the stream, so that a caller who does not wait is caught.
#include "tests/support/cuda_emulation/include/nccl.h"

#include "tests/support/cuda_emulation/nccl_meeting.h"
#include "tests/support/cuda_emulation/progress.h"
#include "tests/support/cuda_emulation/runtime.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

using lockstep::emulation::NcclMeeting;

// NOLINTBEGIN(readability-identifier-naming): the names are NCCL's
struct ncclWindow_vidmem {
  void* data;
};

struct Transfer {
  const std::byte* from = nullptr;
  std::byte* to = nullptr;
  size_t bytes = 0;
};

struct ncclComm {
  ncclComm(const std::string& name, int size, int rank, int device) : meeting(name, size, rank, device) {}

  NcclMeeting meeting;
  lockstep::emulation::Progress progress;
  std::atomic<bool> aborted = false;
  std::atomic<ncclResult_t> error = ncclSuccess;  // from work of a stream
  std::mutex mutex;                               // of the rest
  std::string last_error;
  std::function<bool()> pending;  // what the call in progress still waits for
  int questions = 0;
  std::vector<std::function<void()>> enqueue;  // once it is no longer in progress
  std::chrono::steady_clock::time_point looked_at{};

  void fail(ncclResult_t result, const std::string& why) {
    const std::scoped_lock lock(mutex);
    if (last_error.empty()) last_error = why;
    error = result;
  }

  // What a kernel does: it spins until the peers have come or it is aborted. Finding out why they do not come is not
  // its business, but somebody has to report it.
  bool meet() {
    const uint64_t number = meeting.arrive(NcclMeeting::kStream);
    for (int round = 0; !meeting.passed(NcclMeeting::kStream, number); ++round) {
      if (aborted) return false;
      if (round < 1000) {
        std::this_thread::yield();
        continue;
      }
      std::this_thread::sleep_for(std::chrono::microseconds(100));
      if (const int lost = round % 200 == 0 ? meeting.lost_peer() : -1; lost >= 0) {
        fail(ncclRemoteError, "rank " + std::to_string(lost) + " is gone");
      }
    }
    return !aborted;
  }

  // Ranks that bring different sizes wait for each other forever.
  void hang() {
    fail(ncclInvalidUsage, "ranks bring different sizes");
    while (!aborted) std::this_thread::sleep_for(std::chrono::microseconds(100));
  }

  // out[i] goes to rank i, in[i] comes from it.
  void exchange(const std::vector<Transfer>& out, const std::vector<Transfer>& in) {
    const int size = meeting.size(), rank = meeting.rank();
    if (!meet()) return;
    for (int r = 0; r < size; ++r) meeting.announced(rank, r) = out[static_cast<size_t>(r)].bytes;
    if (!meet()) return;
    uint64_t most = 0;
    bool fits = true;
    for (int a = 0; a < size; ++a) {
      for (int b = 0; b < size; ++b) most = std::max<uint64_t>(most, meeting.announced(a, b));
      fits = fits && meeting.announced(a, rank) == in[static_cast<size_t>(a)].bytes;
    }
    if (!fits) return hang();
    for (size_t at = 0; at < most; at += NcclMeeting::kChunk) {
      const auto part = [&](const Transfer& one) {
        return one.bytes <= at ? 0 : std::min(NcclMeeting::kChunk, one.bytes - at);
      };
      for (int r = 0; r < size; ++r) {
        const Transfer& one = out[static_cast<size_t>(r)];
        if (part(one) > 0) std::memcpy(meeting.area(rank, r), one.from + at, part(one));
      }
      if (!meet()) return;
      for (int r = 0; r < size; ++r) {
        const Transfer& one = in[static_cast<size_t>(r)];
        if (part(one) > 0 && one.to != nullptr) std::memcpy(one.to + at, meeting.area(r, rank), part(one));
      }
      if (!meet()) return;
    }
  }
};
// NOLINTEND(readability-identifier-naming)

namespace {

struct Operation {
  bool is_send;
  int peer;
  std::byte* data;
  size_t bytes;
  cudaStream_t stream;
};

thread_local int group_depth = 0;
thread_local std::map<ncclComm_t, std::vector<Operation>> group;

std::mutex comms_mutex;
std::map<ncclComm_t, std::shared_ptr<ncclComm>> comms;

std::shared_ptr<ncclComm> find(ncclComm_t handle) {
  const std::scoped_lock lock(comms_mutex);
  const auto found = comms.find(handle);
  return found == comms.end() ? nullptr : found->second;
}

size_t bytes_of(size_t count, ncclDataType_t type) { return type == ncclFloat32 ? count * sizeof(float) : count; }

ncclResult_t start(ncclComm& comm, std::function<bool()> pending, std::function<void()> enqueue = nullptr) {
  const std::scoped_lock lock(comm.mutex);
  if (comm.pending) {
    comm.last_error = "a call while another was in progress";
    return ncclInvalidUsage;
  }
  comm.pending = std::move(pending);
  comm.questions = 0;
  if (enqueue) comm.enqueue.push_back(std::move(enqueue));
  return ncclInProgress;
}

ncclResult_t start_exchange(const std::shared_ptr<ncclComm>& comm, std::vector<Transfer> out, std::vector<Transfer> in,
                            cudaStream_t stream) {
  return start(
      *comm, [] { return true; },
      [comm, out = std::move(out), in = std::move(in), stream] {
        const cudaError_t status = lockstep::emulation::enqueue(stream, [comm, out, in] { comm->exchange(out, in); });
        if (status != cudaSuccess) {
          comm->error = ncclUnhandledCudaError;
          comm->last_error = cudaGetErrorString(status);
        }
      });
}

ncclResult_t start_point_to_point(bool is_send, void* data, size_t count, ncclDataType_t type, int peer,
                                  ncclComm_t handle, cudaStream_t stream) {
  const auto comm = find(handle);
  if (comm == nullptr || group_depth == 0 || peer < 0 || peer >= comm->meeting.size()) return ncclInvalidArgument;
  group[handle].push_back({is_send, peer, static_cast<std::byte*>(data), bytes_of(count, type), stream});
  return ncclSuccess;
}

}  // namespace

ncclResult_t ncclGetVersion(int* version) {
  *version = NCCL_VERSION_CODE;
  return ncclSuccess;
}

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  static std::atomic<int> number{0};
  std::memset(id, 0, sizeof(*id));
  const std::string name = "/lockstep-nccl-" + std::to_string(::getpid()) + "-" + std::to_string(++number) + "-" +
                           std::to_string(std::random_device()());
  name.copy(id->internal, sizeof(id->internal) - 1);
  return ncclSuccess;
}

const char* ncclGetErrorString(ncclResult_t result) {
  switch (result) {
    case ncclSuccess: return "no error";
    case ncclUnhandledCudaError: return "unhandled cuda error";
    case ncclSystemError: return "unhandled system error";
    case ncclInternalError: return "internal error";
    case ncclInvalidArgument: return "invalid argument";
    case ncclInvalidUsage: return "invalid usage";
    case ncclRemoteError: return "remote process exited or there was a network error";
    case ncclInProgress: return "NCCL operation in progress";
  }
  return "unknown result code";
}

const char* ncclGetLastError(ncclComm_t handle) {
  thread_local std::string text;
  const auto comm = find(handle);
  if (comm == nullptr) return "";
  const std::scoped_lock lock(comm->mutex);
  text = comm->last_error;
  return text.c_str();
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* handle, int num_ranks, ncclUniqueId id, int rank,
                                    ncclConfig_t* config) {
  if (config->blocking != 0 || num_ranks > NcclMeeting::kMostRanks) return ncclInvalidArgument;
  int device = 0;
  if (cudaGetDevice(&device) != cudaSuccess) return ncclUnhandledCudaError;
  const auto comm = std::make_shared<ncclComm>(id.internal, num_ranks, rank, device);
  {
    const std::scoped_lock lock(comms_mutex);
    comms.emplace(comm.get(), comm);
  }
  *handle = comm.get();
  return start(*comm, [at = comm.get()] {
    if (!at->meeting.is_complete()) return false;
    const char* const shares = std::getenv("NCCL_MULTI_RANK_GPU_ENABLE");
    if (at->meeting.has_shared_device() && (shares == nullptr || std::string(shares) != "1")) {
      at->last_error = "Duplicate GPU detected";
      at->error = ncclInvalidUsage;
    }
    return true;
  });
}

ncclResult_t ncclCommFinalize(ncclComm_t handle) {
  const auto comm = find(handle);
  return comm == nullptr ? ncclInvalidArgument : start(*comm, [] { return true; });
}

ncclResult_t ncclCommDestroy(ncclComm_t handle) {
  const std::scoped_lock lock(comms_mutex);
  return comms.erase(handle) == 1 ? ncclSuccess : ncclInvalidArgument;  // work on streams keeps it
}

ncclResult_t ncclCommAbort(ncclComm_t handle) {
  const auto comm = find(handle);
  if (comm == nullptr) return ncclInvalidArgument;
  comm->aborted = true;
  comm->meeting.leave();
  return ncclCommDestroy(handle);
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t handle, ncclResult_t* error) {
  const auto comm = find(handle);
  if (comm == nullptr) return ncclInvalidArgument;
  std::vector<std::function<void()>> enqueue;
  {
    const std::scoped_lock lock(comm->mutex);
    const bool is_done = !comm->pending || (++comm->questions > 1 && comm->pending());
    *error = !is_done ? ncclInProgress : comm->error.load();
    if (!is_done) return ncclSuccess;
    comm->pending = nullptr;
    enqueue.swap(comm->enqueue);
  }
  for (const auto& one : enqueue) one();
  *error = comm->error;
  return ncclSuccess;
}

ncclResult_t ncclMemAlloc(void** data, size_t bytes) {
  return cudaMalloc(data, bytes) == cudaSuccess ? ncclSuccess : ncclUnhandledCudaError;
}

ncclResult_t ncclMemFree(void* data) { return cudaFree(data) == cudaSuccess ? ncclSuccess : ncclUnhandledCudaError; }

ncclResult_t ncclCommWindowRegister(ncclComm_t handle, void* data, size_t, ncclWindow_t* window, int) {
  const auto comm = find(handle);
  if (comm == nullptr) return ncclInvalidArgument;
  *window = new ncclWindow_vidmem{data};
  const uint64_t number = comm->meeting.arrive(NcclMeeting::kHost);
  return start(*comm, [at = comm.get(), number] { return at->meeting.passed(NcclMeeting::kHost, number); });
}

ncclResult_t ncclCommWindowDeregister(ncclComm_t handle, ncclWindow_t window) {
  if (find(handle) == nullptr) return ncclInvalidArgument;
  delete window;
  return ncclSuccess;
}

ncclResult_t ncclAllGather(const void* send, void* receive, size_t count, ncclDataType_t type, ncclComm_t handle,
                           cudaStream_t stream) {
  const auto comm = find(handle);
  if (comm == nullptr || group_depth > 0) return ncclInvalidArgument;
  const size_t bytes = bytes_of(count, type);
  std::vector<Transfer> out, in;
  for (int r = 0; r < comm->meeting.size(); ++r) {
    out.push_back({static_cast<const std::byte*>(send), nullptr, bytes});
    in.push_back({nullptr, static_cast<std::byte*>(receive) + static_cast<size_t>(r) * bytes, bytes});
  }
  return start_exchange(comm, std::move(out), std::move(in), stream);
}

ncclResult_t ncclSend(const void* data, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  return start_point_to_point(true, const_cast<void*>(data), count, type, peer, comm, stream);
}

ncclResult_t ncclRecv(void* data, size_t count, ncclDataType_t type, int peer, ncclComm_t comm, cudaStream_t stream) {
  return start_point_to_point(false, data, count, type, peer, comm, stream);
}

ncclResult_t ncclGroupStart() {
  ++group_depth;
  return ncclSuccess;
}

ncclResult_t ncclGroupEnd() {
  if (group_depth == 0) return ncclInvalidUsage;
  if (--group_depth > 0) return ncclSuccess;
  const auto operations = std::exchange(group, {});
  ncclResult_t result = ncclSuccess;
  for (const auto& [handle, all] : operations) {
    const auto comm = find(handle);
    if (comm == nullptr) return ncclInvalidArgument;
    std::vector<Transfer> out(static_cast<size_t>(comm->meeting.size())), in(out);
    for (const Operation& one : all) {
      Transfer& transfer = (one.is_send ? out : in)[static_cast<size_t>(one.peer)];
      transfer = {one.is_send ? one.data : nullptr, one.is_send ? nullptr : one.data, one.bytes};
    }
    result = start_exchange(comm, std::move(out), std::move(in), all.front().stream);
  }
  return result;
}
