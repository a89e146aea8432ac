#include "dist/comm/nccl/symmetric_memory.h"

#include "core/cuda/check.h"

#include <algorithm>
#include <exception>

namespace lockstep::cuda {
namespace {

constexpr int64_t kGranule = int64_t{2} << 20;  // of the driver's mappings

int64_t free_bytes() {
  size_t free = 0, total = 0;
  LS_CUDA(cudaMemGetInfo(&free, &total));
  return static_cast<int64_t>(free);
}

}  // namespace

SymmetricMemory::SymmetricMemory(CheckedComm& comm, int64_t bytes) : comm_(comm), bytes_(bytes) {
  const ncclResult_t allocated = ncclMemAlloc(&data_, static_cast<size_t>(bytes));
  if (allocated != ncclSuccess && free_bytes() < bytes) {
    static_cast<void>(cudaGetLastError());
    throw OutOfMemory(
        {__FILE__, __LINE__, ""}, bytes,
        fmt::format("cannot allocate {} bytes for sums over ranks; the device has {} free", bytes, free_bytes()));
  }
  check_nccl(allocated, "ncclMemAlloc");
  try {
    comm.run("registering memory", [&](ncclComm_t native) {
      return ncclCommWindowRegister(native, data_, static_cast<size_t>(bytes), &window_, NCCL_WIN_COLL_SYMMETRIC);
    });
  } catch (...) {
    ncclMemFree(data_);
    throw;
  }
}

SymmetricMemory::~SymmetricMemory() {
  if (comm_.has_failed()) return;
  try {
    if (window_ != nullptr) {
      comm_.run("releasing memory", [&](ncclComm_t native) { return ncclCommWindowDeregister(native, window_); });
    }
    ncclMemFree(data_);
  } catch (const std::exception&) {  // the group has failed meanwhile
  }
}

const SymmetricMemory& SymmetricBuffer::at_least(int64_t bytes) {
  if (capacity() < bytes || blocks_.empty()) {
    const int64_t wanted = std::max(bytes, capacity() * 3 / 2);  // few outgrown blocks
    blocks_.push_back(std::make_unique<SymmetricMemory>(comm_, (wanted + kGranule) / kGranule * kGranule));
  }
  return *blocks_.back();
}

}  // namespace lockstep::cuda
