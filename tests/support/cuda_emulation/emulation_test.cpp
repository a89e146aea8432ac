// The emulated device does what the tests of CUDA code rely on: block and warp functions, matrix instructions,
// asynchronous copies that show a missing wait, memory that shows a missing write.
#include "core/dtype.h"
#include "tests/support/cuda_emulation/include/cuda_bf16.h"
#include "tests/support/cuda_emulation/include/cuda_fp16.h"
#include "tests/support/cuda_emulation/include/cuda_runtime.h"
#include "tests/support/cuda_emulation/include/kernels/cuda/ptx.cuh"

#include <cmath>
#include <gtest/gtest.h>
#include <random>
#include <set>
#include <thread>
#include <vector>

namespace lockstep::cuda {
namespace {

/// Launches on the legacy stream and waits.
template <class... Parameters, class... Arguments>
void run(dim3 grid, dim3 block, size_t shared, void (*kernel)(Parameters...), Arguments... arguments) {
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared;
  ASSERT_EQ(cudaLaunchKernelEx(&config, kernel, arguments...), cudaSuccess);
  ASSERT_EQ(cudaDeviceSynchronize(), cudaSuccess);
}

constexpr unsigned kAll = 0xffffffffU;

__global__ void __launch_bounds__(256) sum_kernel(const int* in, int* out) {
  __shared__ int partial[8];
  int sum = in[blockIdx.x * blockDim.x + threadIdx.x];
  for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(kAll, sum, step);
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x >= 8) return;
  sum = partial[threadIdx.x];
  for (unsigned step = 4; step > 0; step /= 2) sum += __shfl_down_sync(0xffU, sum, step);
  if (threadIdx.x == 0) out[blockIdx.x] = sum;
}

TEST(EmulatedKernel, SumsByShufflesAndBarriers) {
  constexpr size_t kBlocks = 7;
  std::vector<int> in(kBlocks * 256), out(kBlocks);
  for (size_t i = 0; i < in.size(); ++i) in[i] = static_cast<int>(i * i % 1000);
  run(kBlocks, 256, 0, sum_kernel, in.data(), out.data());
  for (size_t block = 0; block < kBlocks; ++block) {
    int expected = 0;
    for (size_t i = 0; i < 256; ++i) expected += in[block * 256 + i];
    EXPECT_EQ(out[block], expected);
  }
}

TEST(EmulatedKernel, SeveralThreadsRunKernelsAtOnce) {
  std::vector<std::thread> threads;
  std::vector<std::vector<int>> outs(4, std::vector<int>(50));
  const std::vector<int> in(size_t{50} * 256, 3);
  for (auto& out : outs) {
    threads.emplace_back([&] {
      cudaStream_t stream = nullptr;
      cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
      cudaLaunchConfig_t config = {50, 256, 0, stream, nullptr, 0};
      cudaLaunchKernelEx(&config, sum_kernel, in.data(), out.data());
      cudaStreamDestroy(stream);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& out : outs) EXPECT_EQ(out, std::vector<int>(50, 768));
}

__global__ void warp_kernel(int* out) {
  const int lane = static_cast<int>(threadIdx.x);
  int* mine = out + lane * 12;
  mine[0] = __shfl_sync(kAll, lane, 5);
  mine[1] = __shfl_sync(kAll, lane, 9, 8);
  mine[2] = __shfl_up_sync(kAll, lane, 3U);
  mine[3] = static_cast<int>(__ballot_sync(kAll, lane % 3 == 0));
  mine[4] = __any_sync(kAll, lane == 31) + 2 * __all_sync(kAll, lane < 31);
  mine[5] = __reduce_add_sync(kAll, lane);
  mine[6] = __reduce_max_sync(kAll, -lane) * 100 + __reduce_min_sync(kAll, lane + 1);
  mine[7] = static_cast<int>(__shfl_xor_sync(kAll, double{1} * lane, 1));
  // Halves of the warp on ways of their own.
  mine[8] = lane < 16 ? __reduce_add_sync(0x0000ffffU, lane) : __reduce_add_sync(0xffff0000U, 2 * lane);
  mine[9] = __syncthreads_count(lane < 10);
  mine[10] = __syncthreads_or(lane == 4) + 2 * __syncthreads_and(lane < 31);
  mine[11] = atomicAdd(out + 32 * 12, 1);
}

TEST(EmulatedKernel, WarpFunctions) {
  std::vector<int> out(32 * 12 + 1);
  run(1, 32, 0, warp_kernel, out.data());
  std::set<int> drawn;
  for (int lane = 0; lane < 32; ++lane) {
    const int* mine = out.data() + lane * 12;
    EXPECT_EQ(mine[0], 5);
    EXPECT_EQ(mine[1], lane / 8 * 8 + 1);
    EXPECT_EQ(mine[2], lane < 3 ? lane : lane - 3);
    EXPECT_EQ(mine[3], 0x49249249);
    EXPECT_EQ(mine[4], 1);
    EXPECT_EQ(mine[5], 496);
    EXPECT_EQ(mine[6], 1);
    EXPECT_EQ(mine[7], lane ^ 1);
    EXPECT_EQ(mine[8], lane < 16 ? 120 : 752);
    EXPECT_EQ(mine[9], 10);
    EXPECT_EQ(mine[10], 1);
    drawn.insert(mine[11]);
  }
  EXPECT_EQ(drawn.size(), 32U);
  EXPECT_EQ(out.back(), 32);
}

__global__ void index_kernel(int* out) {
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  ++out[block * 24 + thread];
}

TEST(EmulatedKernel, EveryThreadOfEveryBlockRunsOnce) {
  std::vector<int> out(24 * 30);
  run(dim3(5, 2, 3), dim3(2, 3, 4), 0, index_kernel, out.data());
  EXPECT_EQ(out, std::vector<int>(24 * 30, 1));
}

__global__ void unwritten_kernel(float* out) {
  float* shared = dynamic_shared<float>();
  out[blockIdx.x * 2] = shared[threadIdx.x];
  out[blockIdx.x * 2 + 1] = static_cast<float>(reinterpret_cast<uintptr_t>(shared) % 128);
  shared[threadIdx.x] = 1.0F;
}

TEST(EmulatedKernel, UnwrittenDynamicSharedMemoryIsNan) {
  std::vector<float> out(6);
  run(3, 1, 4, unwritten_kernel, out.data());
  for (size_t block = 0; block < 3; ++block) {
    EXPECT_TRUE(std::isnan(out[block * 2]));
    EXPECT_EQ(out[block * 2 + 1], 0.0F);
  }
}

__global__ void divergent_kernel() {
  if (threadIdx.x < 40) {
    __syncthreads();
  } else {
    __syncwarp();
  }
  __syncwarp();
}
__global__ void lacking_kernel(float* out) {
  float d[4] = {};
  const uint32_t a[4] = {}, b[2] = {};
  if (threadIdx.x != 7) mma_m16n8k16(d, a, b, Bf16Tag{});
  out[0] = d[0];
}
__global__ void mixed_kernel() {
  if (threadIdx.x < 5) {
    __syncwarp();
  } else {
    __any_sync(kAll, 1);
  }
}

void run_divergent() { run(2, 64, 0, divergent_kernel); }
void run_lacking() {
  float out = 0;
  run(1, 32, 0, lacking_kernel, &out);
}
void run_mixed() { run(1, 32, 0, mixed_kernel); }

TEST(EmulatedKernelDeath, NamesWhoWaitsInVain) {
  EXPECT_DEATH(run_divergent(), "deadlock.*\n.*block \\(0, 0, 0\\), thread \\(.*\n.*warp 0.*\n.*warp 1.*__syncwarp");
  EXPECT_DEATH(run_lacking(), "needs all 32 lanes");
  EXPECT_DEATH(run_mixed(), "different operations");
}

template <class Tag>
__global__ void mma_kernel(const uint16_t* a, const uint16_t* b, float* d) {
  const size_t g = threadIdx.x / 4, t = threadIdx.x % 4;
  const auto pair = [](const uint16_t* low, size_t step) { return uint32_t{low[step]} << 16 | low[0]; };
  const uint32_t a_own[4] = {pair(a + g * 16 + 2 * t, 1), pair(a + (g + 8) * 16 + 2 * t, 1),
                             pair(a + g * 16 + 2 * t + 8, 1), pair(a + (g + 8) * 16 + 2 * t + 8, 1)};
  const uint32_t b_own[2] = {pair(b + 2 * t * 8 + g, 8), pair(b + (2 * t + 8) * 8 + g, 8)};
  float own[4] = {d[g * 8 + 2 * t], d[g * 8 + 2 * t + 1], d[(g + 8) * 8 + 2 * t], d[(g + 8) * 8 + 2 * t + 1]};
  mma_m16n8k16(own, a_own, b_own, Tag{});
  d[g * 8 + 2 * t] = own[0];
  d[g * 8 + 2 * t + 1] = own[1];
  d[(g + 8) * 8 + 2 * t] = own[2];
  d[(g + 8) * 8 + 2 * t + 1] = own[3];
}

template <class T, class Tag>
void check_mma() {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<uint16_t> a(16 * 16), b(16 * 8);
  std::vector<float> d(16 * 8);
  for (uint16_t& x : a) x = from_float<T>(normal(random)).bits;
  for (uint16_t& x : b) x = from_float<T>(normal(random)).bits;
  for (float& x : d) x = normal(random);
  std::vector<float> expected = d;
  for (size_t m = 0; m < 16; ++m) {
    for (size_t n = 0; n < 8; ++n) {
      for (size_t k = 0; k < 16; ++k) expected[m * 8 + n] += to_float(T{a[m * 16 + k]}) * to_float(T{b[k * 8 + n]});
    }
  }
  run(1, 32, 0, mma_kernel<Tag>, a.data(), b.data(), d.data());
  EXPECT_EQ(d, expected);
}

TEST(EmulatedMatrices, MmaMultipliesAndAdds) {
  check_mma<BFloat16, Bf16Tag>();
  check_mma<Half, F16Tag>();
}

__global__ void ldmatrix_kernel(uint32_t* out) {
  auto* shared = dynamic_shared<uint16_t>();  // four matrices; element = 64 matrix + 8 row + column
  for (unsigned i = threadIdx.x; i < 256; i += 32) shared[i] = static_cast<uint16_t>(i);
  __syncwarp();
  uint32_t m[4];
  const uint16_t* row = shared + threadIdx.x * 8;
  ldmatrix_x4(m, row);
  for (unsigned i = 0; i < 4; ++i) out[i * 32 + threadIdx.x] = m[i];
  ldmatrix_x4_trans(m, row);
  for (unsigned i = 0; i < 4; ++i) out[128 + i * 32 + threadIdx.x] = m[i];
}

TEST(EmulatedMatrices, LdmatrixDealsRowsOrColumns) {
  std::vector<uint32_t> out(256);
  run(1, 32, 512, ldmatrix_kernel, out.data());
  const auto pair = [](size_t low, size_t high) { return static_cast<uint32_t>(high << 16 | low); };
  for (size_t i = 0; i < 4; ++i) {
    for (size_t lane = 0; lane < 32; ++lane) {
      const size_t g = lane / 4, t = lane % 4, first = i * 64;
      const uint32_t plain = pair(first + g * 8 + 2 * t, first + g * 8 + 2 * t + 1);
      const uint32_t transposed = pair(first + 2 * t * 8 + g, first + (2 * t + 1) * 8 + g);
      EXPECT_EQ(out[i * 32 + lane], plain);
      EXPECT_EQ(out[128 + i * 32 + lane], transposed);
    }
  }
}

__global__ void copy_kernel(const float* in, float* out) {
  auto* shared = dynamic_shared<float>();
  cp_async_16(shared, in, true);
  cp_async_commit();
  cp_async_16(shared + 4, in + 4, true);
  cp_async_16(shared + 8, in, false);
  cp_async_commit();
  out[0] = shared[0];
  cp_async_wait<1>();
  out[1] = shared[0];
  out[2] = shared[4];
  cp_async_wait<0>();
  out[3] = shared[4];
  out[4] = shared[8];
}

TEST(EmulatedCopies, AreVisibleOnlyAfterTheWait) {
  alignas(16) const float in[] = {1, 2, 3, 4, 5, 6, 7, 8};
  float out[5];
  run(1, 1, 48, copy_kernel, &in[0], &out[0]);
  EXPECT_TRUE(std::isnan(out[0]));
  EXPECT_EQ(out[1], 1.0F);
  EXPECT_TRUE(std::isnan(out[2]));
  EXPECT_EQ(out[3], 5.0F);
  EXPECT_EQ(out[4], 0.0F);
}

TEST(EmulatedScalars, ConvertAndCount) {
  EXPECT_EQ(__bfloat16_as_ushort(__float2bfloat16_rn(1.00390625F)), 0x3f80);  // a tie, to even
  EXPECT_EQ(__half_as_ushort(__float2half_rn(65520.0F)), 0x7c00);
  EXPECT_EQ(__high2float(__floats2half2_rn(1.0F, 0.5F)), 0.5F);
  EXPECT_EQ(__bfloat1622float2(__float22bfloat162_rn(make_float2(2.0F, 3.0F))).y, 3.0F);
  EXPECT_EQ(__umulhi(0x80000000U, 6U), 3U);
  EXPECT_EQ(__umul64hi(1ULL << 63, 6), 3U);
  EXPECT_EQ(__clz(1), 31);
  EXPECT_EQ(__ffs(8), 4);
  EXPECT_EQ(__ffs(0), 0);
  EXPECT_EQ(__popc(255), 8);
  EXPECT_EQ(min(-1, 2), -1);
  EXPECT_EQ(max(1.0F, CUDART_NAN_F), 1.0F);
  EXPECT_EQ(__expf(0.0F), 1.0F);
}

}  // namespace
}  // namespace lockstep::cuda
