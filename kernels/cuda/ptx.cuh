// Instructions that CUDA C++ has no words for, as functions: tensor cores, their loads from shared memory, asynchronous
// copies, the fast base-2 exponential (sm_80 and later). Device code only; the warp functions (mma, ldmatrix) need all
// 32 lanes of a warp, converged. Source: PTX ISA 8, 9.7.9 (cp.async, ld), 9.7.14 (mma, ldmatrix).
#pragma once

#include <cstdint>
#include <cuda_runtime.h>

namespace lockstep::cuda {

struct Bf16Tag {};
struct F16Tag {};

/// The block's dynamic shared memory, aligned to 128 bytes. T may differ from call to call; the memory is the same.
template <class T>
__device__ __forceinline__ T* dynamic_shared() {
  extern __shared__ __align__(128) unsigned char ls_dynamic_shared[];
  return reinterpret_cast<T*>(ls_dynamic_shared);
}

namespace ptx {
__device__ __forceinline__ uint32_t shared_address(const void* shared) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(shared));
}
}  // namespace ptx

/// d += a b for a [16, 16], b [16, 8], d [16, 8]. With g = lane / 4 and t = lane % 4, a lane holds
///   a: (g, 2t..), (g + 8, 2t..), (g, 2t + 8..), (g + 8, 2t + 8..), pairs along k, the lower in the lower half;
///   b: (2t.., g), (2t + 8.., g), pairs along k;   d: (g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1).
__device__ __forceinline__ void mma_m16n8k16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], Bf16Tag) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
__device__ __forceinline__ void mma_m16n8k16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], F16Tag) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/// Loads four 8 × 8 matrices of 16-bit elements: lane 8 i + j gives the address of row j of matrix i (16 bytes,
/// aligned), and receives in m[i] the elements 2 (lane % 4) and the next one of row lane / 4.
__device__ __forceinline__ void ldmatrix_x4(uint32_t (&m)[4], const void* shared_row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(m[0]), "=r"(m[1]), "=r"(m[2]), "=r"(m[3])
               : "r"(ptx::shared_address(shared_row))
               : "memory");
}
/// The same of the transposed matrices: elements (2 (lane % 4), lane / 4) and the one below it.
__device__ __forceinline__ void ldmatrix_x4_trans(uint32_t (&m)[4], const void* shared_row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(m[0]), "=r"(m[1]), "=r"(m[2]), "=r"(m[3])
               : "r"(ptx::shared_address(shared_row))
               : "memory");
}

/// Starts a copy of 16 bytes (both ends aligned to 16) past the L1 cache; writes zeros, reading nothing, where not
/// `is_valid`. The bytes are there for this thread after cp_async_wait, for the block after a barrier behind it.
__device__ __forceinline__ void cp_async_16(void* shared, const void* global, bool is_valid) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(ptx::shared_address(shared)),
               "l"(__cvta_generic_to_global(global)), "r"(is_valid ? 16 : 0)
               : "memory");
}
/// Makes a group of the copies this thread started since the last call; it may be empty.
__device__ __forceinline__ void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
/// Waits for all of this thread's groups but the latest N.
template <int N>
__device__ __forceinline__ void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}

/// 2^x within 2 ulp; subnormal results are 0.
__device__ __forceinline__ float exp2_approx(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

/// 16 bytes that the kernel does not write and reads once: kept out of the L1 cache.
__device__ __forceinline__ uint4 load_streaming_16(const void* global) {
  uint4 value;
  asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(value.x), "=r"(value.y), "=r"(value.z), "=r"(value.w)
               : "l"(__cvta_generic_to_global(global)));
  return value;
}

}  // namespace lockstep::cuda
