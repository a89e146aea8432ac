#include "kernels/backends.h"
#include "kernels/cpu/address.h"

namespace lockstep::cpu {

void add_bias(const OpContext&, TensorView x, ConstTensorView bias) {
  const float* const values = bias.as<float>();
  for (int64_t row = 0; row < x.size(0); ++row) {
    float* const to = float_row_at(x, row);
    for (int64_t column = 0; column < x.size(1); ++column) to[column] += values[column];
  }
}

}  // namespace lockstep::cpu
