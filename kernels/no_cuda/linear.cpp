// The matrix product has a CPU body only, with or without the CUDA toolkit.
#include "kernels/linear_backends.h"

namespace lockstep::cuda {
namespace {

[[noreturn]] void refuse() {
  LS_THROW(NotCompiled, "linear: this build contains no CUDA body of linear; run this rank on the CPU (device = cpu)");
}

}  // namespace

LinearWeight pack_linear_weight(const OpContext&, std::span<const ConstTensorView>, std::span<const ConstTensorView>,
                                SegmentBounds) {
  refuse();
}

int64_t packed_linear_bytes(const OpContext&, int64_t, DType, const SegmentBounds&) { refuse(); }

void linear(const OpContext&, ConstTensorView, const LinearWeight&, TensorView) { refuse(); }

}  // namespace lockstep::cuda
