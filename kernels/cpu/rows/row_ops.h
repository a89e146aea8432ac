// The element-wise operations on one row, one table per instruction-set level.
#pragma once

#include "core/cpu_isa.h"
#include "core/dtype.h"

#include <cstdint>

namespace lockstep::cpu {

/// Plain addresses: files of one instruction-set level use no inline code that other files share.
struct RowOps {
  /// out = in / sqrt(mean(in²) + eps) · weight.
  void (*rms_norm)(const float* in, const void* weight, DType weight_dtype, float eps, void* out, DType out_dtype,
                   int64_t n);
  /// residual += delta; then as above.
  void (*add_rms_norm)(float* residual, const float* delta, const void* weight, DType weight_dtype, float eps,
                       void* out, DType out_dtype, int64_t n);
  /// Rotates the pairs (i, i + half) of one head.
  void (*rope)(float* head, const float* cos, const float* sin, int64_t half);
  /// out = gate / (1 + exp(-gate)) · up.
  void (*swiglu)(const float* gate, const float* up, void* out, DType out_dtype, int64_t n);
  void (*widen)(const void* in, DType in_dtype, float* out, int64_t n);
  /// Index of the highest element, the lowest of equals; NaN is lower than everything, all NaN gives 0.
  int64_t (*argmax)(const float* in, int64_t n);
};

extern const RowOps kRowOpsScalar, kRowOpsAvx2, kRowOpsAvx512;

/// The table of the highest level not above `isa`.
const RowOps& row_ops(CpuIsa isa);

}  // namespace lockstep::cpu
