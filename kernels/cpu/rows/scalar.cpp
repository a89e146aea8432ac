#include "kernels/cpu/rows/row_ops_body.h"

namespace lockstep::cpu {

static_assert(Vec::kWidth == 4, "this file needs the compiler flags of its level");

constinit const RowOps kRowOpsScalar = kRowOps;

}  // namespace lockstep::cpu
