#include "kernels/backends.h"
#include "kernels/cpu/address.h"

#include <cstring>

namespace lockstep::cpu {

void gather_rows(const OpContext&, ConstTensorView in, ConstTensorView rows, TensorView out) {
  const int32_t* const picked = rows.as<int32_t>();
  const auto bytes = static_cast<size_t>(in.size(1) * size_of(in.dtype()));
  for (int64_t i = 0; i < out.size(0); ++i) {
    const int64_t row = picked[i * rows.stride(0)];
    LS_REQUIRE(ShapeError, row >= 0 && row < in.size(0), "gather_rows: row {} of {}", row, in.size(0));
    std::memcpy(row_at(out, i), row_at(in, row), bytes);
  }
}

}  // namespace lockstep::cpu
