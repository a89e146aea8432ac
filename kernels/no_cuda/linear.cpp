#include "kernels/linear_backends.h"

namespace lockstep::cuda {
namespace {

[[noreturn]] void refuse() {
  LS_THROW(NotCompiled,
           "linear: this build has no CUDA backend; run this rank on the CPU (device = cpu) or rebuild with "
           "LOCKSTEP_CUDA=ON");
}

}  // namespace

LinearWeight pack_linear_weight(const OpContext&, std::span<const ConstTensorView>, std::span<const ConstTensorView>,
                                SegmentBounds) {
  refuse();
}

int64_t packed_linear_bytes(const OpContext&, int64_t, DType, const SegmentBounds&) { refuse(); }

void linear(const OpContext&, ConstTensorView, const LinearWeight&, TensorView) { refuse(); }

}  // namespace lockstep::cuda
