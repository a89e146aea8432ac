// The end of a tile: bias, rounding to the output type, ragged right edge. Compiled for each instruction set through
// its own, file-local `Arch`.
#pragma once

#include "kernels/cpu/linear/tile_kernels.h"

namespace lockstep::cpu {

/// Writes `sums` [rows][kWidth] (changed in place) to task.out.
/// Arch::store_halves(float* in, uint16_t* out, int count) rounds to binary16; read past count up to a multiple of 16.
template <class Arch, int kWidth>
void store_tile(const TileTask& task, float* sums) {
  for (int row = 0; row < task.rows; ++row) {
    float* values = sums + row * kWidth;
    if (task.bias != nullptr) {
      for (int c = 0; c < task.columns; ++c) values[c] += task.bias[c];
    }
    const int64_t offset = row * task.out_stride;
    if (task.out_dtype == DType::kF32) {
      float* out = static_cast<float*>(task.out) + offset;
      for (int c = 0; c < task.columns; ++c) out[c] = values[c];
    } else if (task.out_dtype == DType::kBF16) {
      uint16_t* out = static_cast<uint16_t*>(task.out) + offset;
      for (int c = 0; c < task.columns; ++c) {
        uint32_t bits = 0;
        __builtin_memcpy(&bits, values + c, sizeof bits);
        const uint32_t rounded = (bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16;
        const bool is_nan = (bits & 0x7fffffffU) > 0x7f800000U;
        out[c] = static_cast<uint16_t>(is_nan ? (bits >> 16) | 0x40U : rounded);
      }
    } else {
      Arch::store_halves(values, static_cast<uint16_t*>(task.out) + offset, task.columns);
    }
  }
}

}  // namespace lockstep::cpu
