// Stands in for the project's header of this name where device code is emulated. Same functions; a warp function aborts
// unless all 32 lanes take part, an asynchronous copy happens only when waited for.
#pragma once

#include "tests/support/cuda_emulation/include/cuda_runtime.h"
#include "tests/support/cuda_emulation/matrix_functions.h"

#include <cstdint>

namespace lockstep::cuda {

struct Bf16Tag {};
struct F16Tag {};

template <class T>
T* dynamic_shared() {
  return static_cast<T*>(emulation::dynamic_shared_bytes());
}

inline void mma_m16n8k16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], Bf16Tag) {
  emulation::multiply_bf16(d, a, b);
}
inline void mma_m16n8k16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], F16Tag) {
  emulation::multiply_f16(d, a, b);
}

inline void ldmatrix_x4(uint32_t (&m)[4], const void* shared_row) { emulation::load_matrices(m, shared_row); }
inline void ldmatrix_x4_trans(uint32_t (&m)[4], const void* shared_row) {
  emulation::load_transposed_matrices(m, shared_row);
}

inline void cp_async_16(void* shared, const void* global, bool is_valid) {
  emulation::copy_async(shared, global, 16, is_valid);
}
inline void cp_async_commit() { emulation::commit_copies(); }
template <int N>
void cp_async_wait() {
  emulation::wait_copies(N);
}

inline float exp2_approx(float x) { return std::exp2(x); }

inline uint4 load_streaming_16(const void* global) {
  if (reinterpret_cast<uintptr_t>(global) % 16 != 0) emulation::fail_kernel("a load of 16 bytes is misaligned");
  return *static_cast<const uint4*>(global);
}

}  // namespace lockstep::cuda
