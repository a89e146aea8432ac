#include "kernels/cpu/rows/row_ops_body.h"

namespace lockstep::cpu {

static_assert(Vec::kWidth == 16, "this file needs the compiler flags of its level");

constinit const RowOps kRowOpsAvx512 = kRowOps;

}  // namespace lockstep::cpu
