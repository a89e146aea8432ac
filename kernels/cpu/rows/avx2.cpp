#include "kernels/cpu/vector/avx2.h"
// The body below is compiled once per level.
#include "kernels/cpu/rows/row_ops_body.h"

namespace lockstep::cpu {

constinit const RowOps kRowOpsAvx2 = kRowOps;

}  // namespace lockstep::cpu
