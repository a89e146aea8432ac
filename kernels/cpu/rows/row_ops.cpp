#include "kernels/cpu/rows/row_ops.h"

namespace lockstep::cpu {

const RowOps& row_ops(CpuIsa isa) {
  if (isa >= CpuIsa::kAvx512) return kRowOpsAvx512;
  return isa == CpuIsa::kAvx2 ? kRowOpsAvx2 : kRowOpsScalar;
}

}  // namespace lockstep::cpu
