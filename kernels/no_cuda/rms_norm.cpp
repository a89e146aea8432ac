#include "kernels/backends.h"

namespace lockstep::cuda {

void rms_norm(const OpContext&, ConstTensorView, ConstTensorView, float, TensorView) {
  LS_THROW(NotCompiled, "rms_norm: this build contains no CUDA backend; run this rank on the CPU (device = cpu)");
}

void add_rms_norm(const OpContext&, TensorView, ConstTensorView, ConstTensorView, float, TensorView) {
  LS_THROW(NotCompiled, "add_rms_norm: this build contains no CUDA backend; run this rank on the CPU (device = cpu)");
}

}  // namespace lockstep::cuda
