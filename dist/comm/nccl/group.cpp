// NcclGroup's body, and the module's table of it.
//
// NCCL's own reductions add in an order that depends on the machine; the sum over ranks has one order everywhere. So
// NCCL moves bytes, and a kernel of ours adds: small sums are gathered whole by every rank; of large ones each rank
// receives one slice from everybody, adds it, and all gather the slices, which moves 2 (n - 1) / n of the bytes instead
// of n - 1 times them, in three steps instead of two.
#include "core/cuda/check.h"
#include "core/error.h"
#include "dist/comm/nccl/checked_comm.h"
#include "dist/comm/nccl/fused_norm.h"
#include "dist/comm/nccl/pairwise_sum.h"
#include "dist/comm/nccl/symmetric_memory.h"
#include "kernels/cuda/launch.cuh"

#include <algorithm>
#include <cstring>
#include <exception>

namespace lockstep::cuda {
namespace {

// Gathering whole sums moves about bytes * (n - 2) more than slices do; two more steps cost about as long as 2 MiB on
// NVLink. Equal on all ranks by being a constant.
constexpr int64_t kSmallExtraBytes = int64_t{2} << 20;

class Group final : public NcclGroup {
 public:
  explicit Group(const NcclGroupConfig& config)
      : device_(config.device),
        rank_(config.rank),
        size_(config.size),
        comm_(config),
        partial_(comm_),
        gathered_(comm_) {
    if (config.fuses_norm) fused_ = make_fused_norm(comm_, size_);
  }

  ~Group() override {
    if (std::uncaught_exceptions() > 0) comm_.abort("this rank has failed");  // else the next line may not end
    cudaSetDevice(device_.ordinal);
    cudaDeviceSynchronize();
  }

  void throw_if_failed() const override { comm_.throw_if_failed(); }

  void* partial_buffer(int64_t bytes) override {
    comm_.throw_if_failed();
    gathered_.at_least(gathered_bytes(bytes));  // so that the sum itself can be recorded
    return partial_.at_least(bytes).data();
  }

  void all_reduce_sum(const OpContext& context, const float* partial, float* out, int64_t count) override {
    comm_.throw_if_failed();
    if (count == 0) return;
    const int64_t bytes = count * static_cast<int64_t>(sizeof(float));
    auto* const gathered = static_cast<float*>(reserve_gathered(context, gathered_bytes(bytes)));
    if (is_small(bytes)) {
      all_gather(context, partial, gathered, bytes);
      add_parts(context, {gathered, count, size_}, count, out);
    } else {
      sum_by_slices(context, partial, gathered, out, count);
    }
  }

  void all_gather(const OpContext& context, const void* in, void* out, int64_t bytes) override {
    if (bytes == 0) return;
    comm_.run("all-gather", [&](ncclComm_t native) {
      return ncclAllGather(in, out, static_cast<size_t>(bytes), ncclInt8, native, stream_of(context));
    });
  }

  bool sum_and_norm(const OpContext& context, TensorView partial, TensorView residual,
                    std::optional<ConstTensorView> bias, ConstTensorView weight, float eps, TensorView out) override {
    comm_.throw_if_failed();
    // partial_buffer() is collective: either all ranks sum in it or none does.
    if (!fused_ || partial_.capacity() == 0 || partial.data() != partial_.at_least(0).data()) return false;
    return fused_->run(context, {partial_.at_least(0), partial, residual, bias, weight, eps, out});
  }

 private:
  bool is_small(int64_t bytes) const { return bytes * std::max(size_ - 2, 1) <= kSmallExtraBytes; }

  // Of elements: a multiple of four, so that the kernel's loads are whole.
  int64_t slice_of(int64_t count) const { return ((count + size_ - 1) / size_ + 3) / 4 * 4; }

  int64_t gathered_bytes(int64_t bytes) const {
    const int64_t small = std::min(bytes, kSmallExtraBytes / std::max(size_ - 2, 1)) * size_;
    const int64_t width = sizeof(float);
    return is_small(bytes) ? small : std::max(small, slice_of((bytes + width - 1) / width) * size_ * width);
  }

  void* reserve_gathered(const OpContext& context, int64_t bytes) {
    if (gathered_.capacity() < bytes) {
      cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
      LS_CUDA(cudaStreamIsCapturing(stream_of(context), &status));
      LS_REQUIRE(CudaError, status == cudaStreamCaptureStatusNone,
                 "a sum over ranks that needs {} bytes is being recorded, but only {} are there; make it once before",
                 bytes, gathered_.capacity());
    }
    return gathered_.at_least(bytes).data();
  }

  void sum_by_slices(const OpContext& context, const float* partial, float* gathered, float* out, int64_t count) {
    const int64_t slice = slice_of(count);
    const auto begin_of = [&](int64_t rank) { return std::min(rank * slice, count); };
    const auto length_of = [&](int64_t rank) { return begin_of(rank + 1) - begin_of(rank); };
    const int64_t begin = begin_of(rank_), length = length_of(rank_);
    comm_.run("exchange of slices", [&](ncclComm_t native) {
      ncclResult_t result = ncclGroupStart();
      const auto add = [&](ncclResult_t one) {
        if (result == ncclSuccess || result == ncclInProgress) result = one;
      };
      for (int32_t step = 1; step < size_; ++step) {  // every rank starts with another peer
        const int32_t to = (rank_ + step) % size_, from = (rank_ - step + size_) % size_;
        if (length_of(to) > 0) {
          add(ncclSend(partial + begin_of(to), static_cast<size_t>(length_of(to)), ncclFloat32, to, native,
                       stream_of(context)));
        }
        if (length > 0) {
          add(ncclRecv(gathered + from * slice, static_cast<size_t>(length), ncclFloat32, from, native,
                       stream_of(context)));
        }
      }
      const ncclResult_t ended = ncclGroupEnd();
      return result == ncclSuccess || result == ncclInProgress ? ended : result;
    });

    // Nobody needs the own slot of `gathered`: the own part is still where it was produced. With equal slices the
    // result needs no copy at the end.
    const bool is_even = slice * size_ == count;
    float* const slices = is_even ? out : gathered;
    float* const own = slices + rank_ * slice;
    if (length > 0) add_parts(context, {gathered, slice, size_, rank_, partial + begin}, length, own);
    all_gather(context, own, slices, slice * static_cast<int64_t>(sizeof(float)));
    if (!is_even) {
      LS_CUDA(cudaMemcpyAsync(out, gathered, static_cast<size_t>(count) * sizeof(float), cudaMemcpyDeviceToDevice,
                              stream_of(context)));
    }
  }

  const Device device_;
  const int32_t rank_, size_;
  CheckedComm comm_;  // first: memory and kernels belong to it
  SymmetricBuffer partial_, gathered_;
  std::unique_ptr<FusedNorm> fused_;
};

int32_t version() {
  int number = 0;
  check_nccl(ncclGetVersion(&number), "ncclGetVersion");
  return number;
}

NcclId make_id() {
  ncclUniqueId native;
  check_nccl(ncclGetUniqueId(&native), "ncclGetUniqueId");
  NcclId id;
  std::memcpy(id.data(), &native, id.size());
  return id;
}

std::unique_ptr<NcclGroup> make_group(const NcclGroupConfig& config) { return std::make_unique<Group>(config); }

}  // namespace
}  // namespace lockstep::cuda

extern "C" __attribute__((visibility("default"))) const lockstep::CudaNcclApi lockstep_nccl;
const lockstep::CudaNcclApi lockstep_nccl = {
    .version = lockstep::cuda::version,
    .make_id = lockstep::cuda::make_id,
    .make_group = lockstep::cuda::make_group,
};
