// The arithmetic of emulated cuBLASLt: products in F32 with sums in several orders. Every order is a fixed sequence of
// single roundings (no fused multiply-add), so results are alike on all machines.
#pragma once

#include "core/dtype.h"

#include <cstdint>

namespace lockstep::emulation {

enum class SumOrder : uint8_t { kRunning, kInterleaved, kHalves };

/// out[r, n] = sum over k of x[r, k] · w[n, k] (+ bias[n]), rounded once to its type; rows strided.
struct Product {
  const void* w;
  const void* x;
  void* out;
  const float* bias;  // or null
  int64_t rows, columns, length;
  int64_t w_stride, x_stride, out_stride;  // in elements
  DType dtype, out_dtype;
};

/// Rows [first, last).
void multiply(const Product& product, SumOrder order, int64_t first, int64_t last);

}  // namespace lockstep::emulation
