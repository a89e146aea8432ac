#include "core/cuda/check.h"
#include "dist/comm/nccl/fused_norm.h"
#include "dist/comm/nccl/pairwise_tree.cuh"
#include "kernels/cuda/address.cuh"
#include "kernels/cuda/launch.cuh"

#include <algorithm>
#include <bit>
#include <exception>

#if __has_include(<nccl_device.h>)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include <nccl_device.h>
#pragma GCC diagnostic pop

namespace lockstep::cuda {
namespace {

// The same bits as add_parts, add_bias and add_rms_norm: threads a row, elements a thread, and the butterflies are
// those of kernels/cuda/rms_norm.cu and must stay so.
constexpr int kMaxThreads = 1024, kWarp = 32, kKept = 4;
constexpr unsigned kAllLanes = 0xffffffffU;

constexpr int kBlocks = 64;  // each has a barrier with its like on the peers
// Every rank reads all parts: with more bytes than this slices are faster.
constexpr int64_t kMostBytes = int64_t{1} << 20;

struct Parts {
  ncclDevComm comm;
  ncclWindow_t window;  // every rank's partial sums at its start, rows `hidden` apart
};

__device__ float sum_of_warp(float x) {
#pragma unroll
  for (int step = kWarp / 2; step > 0; step /= 2) x = __fadd_rn(x, __shfl_xor_sync(kAllLanes, x, step));
  return x;
}

__device__ float sum_of_row(float x) {
  __shared__ float partial[kMaxThreads / kWarp];
  x = sum_of_warp(x);
  if (blockDim.x == kWarp) return x;
  const unsigned lane = threadIdx.x % kWarp;
  __syncthreads();  // the row before
  if (lane == 0) partial[threadIdx.x / kWarp] = x;
  __syncthreads();
  return sum_of_warp(lane < blockDim.x / kWarp ? partial[lane] : 0.0F);
}

// Four elements of the sum over ranks, each with the tree of dist/comm/pairwise_sum.h.
template <int N>
__device__ float4 sum_over_ranks(const Parts& parts, int64_t element, int64_t count, bool is_aligned) {
  const auto term = [&](int r) {
    const auto* const part = static_cast<const float*>(ncclGetLsaPointer(parts.window, 0, r)) + element;
    float x[kGroup];
    load_group(part, count, is_aligned, x);
    return make_float4(x[0], x[1], x[2], x[3]);
  };
  if constexpr (N > 0) {
    return pairwise_tree<0, N>(term);
  } else {
    return pairwise_tree<float4>(parts.comm.lsaSize, term);
  }
}

// A block a row. Bytes moved: n - 1 times the rows over NVLink, residual read and written, out written; one crossing of
// barriers before (the peers' parts are there) and one after (they may be overwritten).
template <int N, class Weight, class Out>
__global__ void __launch_bounds__(kMaxThreads)
    sum_and_norm_kernel(Parts parts, int64_t num_rows, int64_t hidden, Rows<float> residual, Rows<const float> bias,
                        Rows<const Weight> weight, float eps, Rows<Out> out) {
  const ncclCoopCta block;
  ncclLsaBarrierSession<ncclCoopCta> barrier(block, parts.comm, ncclTeamTagLsa(), blockIdx.x);
  barrier.sync(block, ::cuda::memory_order_acq_rel);
  const int64_t first = int64_t{threadIdx.x} * kGroup, step = int64_t{blockDim.x} * kGroup;
  const bool are_parts_aligned = hidden % kGroup == 0;
  for (int64_t r = blockIdx.x; r < num_rows; r += gridDim.x) {
    float* const row = residual[r];
    const auto add_delta = [&](int64_t i, float(&x)[kGroup]) {
      float4 delta = sum_over_ranks<N>(parts, r * hidden + i, hidden - i, are_parts_aligned);
      if (bias.data != nullptr) {
        float b[kGroup];
        load_group(bias.data + i, hidden - i, bias.is_aligned, b);
        delta = add(delta, make_float4(b[0], b[1], b[2], b[3]));
      }
      load_group(row + i, hidden - i, residual.is_aligned, x);
      const float4 sum = add(make_float4(x[0], x[1], x[2], x[3]), delta);
      x[0] = sum.x, x[1] = sum.y, x[2] = sum.z, x[3] = sum.w;
      store_group(row, i, hidden, residual.is_aligned, x);
    };
    const auto add_squares = [](float sum, const float(&x)[kGroup]) {
#pragma unroll
      for (int k = 0; k < kGroup; ++k) sum = __fmaf_rn(x[k], x[k], sum);
      return sum;
    };
    float kept[kKept][kGroup], squares = 0.0F;
#pragma unroll
    for (int k = 0; k < kKept; ++k) {
      if (first + k * step >= hidden) continue;
      add_delta(first + k * step, kept[k]);
      squares = add_squares(squares, kept[k]);
    }
    for (int64_t i = first + kKept * step; i < hidden; i += step) {
      float rest[kGroup];
      add_delta(i, rest);
      squares = add_squares(squares, rest);
    }

    const float mean = __fdiv_rn(sum_of_row(squares), static_cast<float>(hidden));
    const float factor = __fdiv_rn(1.0F, __fsqrt_rn(__fadd_rn(mean, eps)));
    const auto scale = [&](int64_t i, float(&values)[kGroup]) {
      float w[kGroup];
      load_group(weight.data + i, hidden - i, weight.is_aligned, w);
#pragma unroll
      for (int j = 0; j < kGroup; ++j) values[j] = __fmul_rn(__fmul_rn(values[j], factor), w[j]);
      store_group(out[r], i, hidden, out.is_aligned, values);
    };
#pragma unroll
    for (int k = 0; k < kKept; ++k) {
      if (first + k * step < hidden) scale(first + k * step, kept[k]);
    }
    for (int64_t i = first + kKept * step; i < hidden; i += step) {
      float rest[kGroup];
      load_group(row + i, hidden - i, residual.is_aligned, rest);
      scale(i, rest);
    }
  }
  barrier.sync(block, ::cuda::memory_order_acq_rel);
}

unsigned threads_of_row(int64_t hidden) {
  const int64_t wanted = (hidden + kKept * kGroup - 1) / (kKept * kGroup);
  const uint64_t threads = std::bit_ceil(static_cast<uint64_t>(wanted));
  return static_cast<unsigned>(std::clamp<uint64_t>(threads, kWarp, kMaxThreads));
}

class DeviceFusedNorm final : public FusedNorm {
 public:
  explicit DeviceFusedNorm(CheckedComm& comm) : comm_(comm) {
    comm.run("preparing kernels that sum", [&](ncclComm_t native) {
      ncclDevCommRequirements wanted{};
      wanted.lsaBarrierCount = kBlocks;
      return ncclDevCommCreate(native, &wanted, &device_comm_);
    });
  }
  ~DeviceFusedNorm() override {
    if (comm_.has_failed()) return;
    try {
      comm_.run("ending kernels that sum",
                [&](ncclComm_t native) { return ncclDevCommDestroy(native, &device_comm_); });
    } catch (const std::exception&) {  // the group has failed meanwhile
    }
  }
  DeviceFusedNorm(const DeviceFusedNorm&) = delete;
  DeviceFusedNorm& operator=(const DeviceFusedNorm&) = delete;

  bool run(const OpContext& context, const SumAndNorm& what) override {
    const int64_t rows = what.partial.size(0), hidden = what.partial.size(1);
    const int64_t bytes = rows * hidden * static_cast<int64_t>(sizeof(float));
    if (what.memory.window() == nullptr || bytes == 0 || bytes > kMostBytes) return false;
    switch (device_comm_.lsaSize) {
      case 2: enqueue<2>(context, what, rows, hidden); return true;
      case 4: enqueue<4>(context, what, rows, hidden); return true;
      case 8: enqueue<8>(context, what, rows, hidden); return true;
      default: enqueue<0>(context, what, rows, hidden); return true;
    }
  }

 private:
  template <int N>
  void enqueue(const OpContext& context, const SumAndNorm& what, int64_t rows, int64_t hidden) {
    const Parts parts{device_comm_, what.memory.window()};
    const Rows<const float> bias = what.bias ? rows_of<const float>(*what.bias) : Rows<const float>{};
    visit_floating(what.weight.dtype(), [&]<class W>() {
      visit_floating(what.out.dtype(), [&]<class O>() {
        using Weight = DeviceTypeOf<W>;
        using Out = DeviceTypeOf<O>;
        launch(context, dim3(static_cast<unsigned>(std::min<int64_t>(rows, kBlocks))), dim3(threads_of_row(hidden)), 0,
               sum_and_norm_kernel<N, Weight, Out>, parts, rows, hidden, rows_of<float>(what.residual), bias,
               rows_of<const Weight>(what.weight), what.eps, rows_of<Out>(what.out));
      });
    });
  }

  CheckedComm& comm_;
  ncclDevComm device_comm_{};
};

}  // namespace

std::unique_ptr<FusedNorm> make_fused_norm(CheckedComm& comm, int32_t size) {
  int version = 0;
  check_nccl(ncclGetVersion(&version), "ncclGetVersion");
  // The structs that kernels read change from version to version.
  if (version != NCCL_VERSION_CODE || version < 22800) return nullptr;
  ncclTeam_t reachable{};
  comm.run("asking who is reachable", [&](ncclComm_t native) {
    reachable = ncclTeamLsa(native);
    return ncclSuccess;
  });
  if (reachable.nRanks != size) return nullptr;
  return std::make_unique<DeviceFusedNorm>(comm);
}

}  // namespace lockstep::cuda

#else  // NCCL before 2.28

namespace lockstep::cuda {

std::unique_ptr<FusedNorm> make_fused_norm(CheckedComm&, int32_t) { return nullptr; }

}  // namespace lockstep::cuda

#endif
