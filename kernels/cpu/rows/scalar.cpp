#include "kernels/cpu/vector/scalar.h"
// The body below is compiled once per level.
#include "kernels/cpu/rows/row_ops_body.h"

namespace lockstep::cpu {

constinit const RowOps kRowOpsScalar = kRowOps;

}  // namespace lockstep::cpu
