// Addresses of rows inside strided views.
#pragma once

#include "core/tensor_view.h"

namespace lockstep::cpu {

inline const char* row_at(ConstTensorView view, int64_t row) {
  return static_cast<const char*>(view.data()) + row * view.stride(0) * size_of(view.dtype());
}
inline char* row_at(TensorView view, int64_t row) {
  return static_cast<char*>(view.data()) + row * view.stride(0) * size_of(view.dtype());
}
inline const float* float_row_at(ConstTensorView view, int64_t row) { return view.as<float>() + row * view.stride(0); }
inline float* float_row_at(TensorView view, int64_t row) { return view.as<float>() + row * view.stride(0); }

/// Rows that one thread takes at least, so that handing them out costs little beside `elements` elements a row.
inline int64_t rows_per_piece(int64_t elements) { return elements >= 4096 ? 1 : 1 + 4096 / (elements + 1); }

}  // namespace lockstep::cpu
