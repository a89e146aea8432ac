// The warp's matrix instructions, emulated: the last lane to come does the work for all 32.
#pragma once

#include <cstdint>

namespace lockstep::emulation {

/// d += a b, mma.m16n8k16: products are exact, sums in F32 in the order of k, beginning with d. (The device's order and
/// rounding within one instruction differ.)
void multiply_bf16(float* d, const uint32_t* a, const uint32_t* b);
void multiply_f16(float* d, const uint32_t* a, const uint32_t* b);

/// ldmatrix of four matrices.
void load_matrices(uint32_t* m, const void* row);
void load_transposed_matrices(uint32_t* m, const void* row);

}  // namespace lockstep::emulation
