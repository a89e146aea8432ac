// How the row operations reach memory: rows of strided matrices, and groups of four elements that move as one
// transaction where the addresses allow and one by one where they do not, with the same values in the same order.
#pragma once

#include "core/tensor_view.h"
#include "kernels/cuda/element.cuh"

#include <cstdint>
#include <cuda_runtime.h>

namespace lockstep::cuda {

/// Elements of a group: 16 bytes of F32, 8 bytes of a 16-bit type.
inline constexpr int kGroup = 4;

template <class T>
struct alignas(kGroup * sizeof(T)) Group {
  T at[kGroup];
};

/// True if every row of a matrix starts at a multiple of `bytes`.
inline bool are_rows_aligned(ConstTensorView view, int64_t bytes) {
  const bool has_rows = view.rank() > 1;
  return reinterpret_cast<uintptr_t>(view.data()) % static_cast<uintptr_t>(bytes) == 0 &&
         (!has_rows || view.stride(0) * size_of(view.dtype()) % bytes == 0);
}

/// Rows `stride` elements apart, as kernels take them. `T` const for what is only read.
template <class T>
struct Rows {
  T* data;
  int64_t stride;
  bool is_aligned;  // groups may move as one
  __device__ T* operator[](int64_t row) const { return data + row * stride; }
};

/// Of a view whose element type stands for `T`; a vector is one row.
template <class T, class View>
Rows<T> rows_of(const View& view) {
  return {static_cast<T*>(view.data()), view.rank() > 1 ? view.stride(0) : 0,
          are_rows_aligned(view, kGroup * static_cast<int64_t>(sizeof(T)))};
}

/// to[k] = from[k] in F32 for the first `count` (at least 1, also more than kGroup) elements, 0 behind them.
template <class T>
__device__ inline void load_group(const T* from, int64_t count, bool is_aligned, float (&to)[kGroup]) {
  if (is_aligned && count >= kGroup) {
    const Group<T> group = *reinterpret_cast<const Group<T>*>(from);
#pragma unroll
    for (int k = 0; k < kGroup; ++k) to[k] = widen(group.at[k]);
  } else {
#pragma unroll
    for (int k = 0; k < kGroup; ++k) to[k] = k < count ? widen(from[k]) : 0.0F;
  }
}

/// row[i + k] = from[k], rounded, as far as i + k < size. i is a multiple of kGroup. Row and index come apart: from
/// their sum the compiler makes one store an element (nvcc 13.0).
template <class T>
__device__ inline void store_group(T* row, int64_t i, int64_t size, bool is_aligned, const float (&from)[kGroup]) {
  if (is_aligned && size - i >= kGroup) {
    Group<T> group;
#pragma unroll
    for (int k = 0; k < kGroup; ++k) narrow(from[k], group.at[k]);
    reinterpret_cast<Group<T>*>(row)[i / kGroup] = group;
  } else {
#pragma unroll
    for (int k = 0; k < kGroup; ++k) {
      if (i + k < size) narrow(from[k], row[i + k]);
    }
  }
}

/// Threads of a block that walks rows of `elements` in groups: whole warps, no more than there is work for.
inline unsigned threads_for(int64_t elements, int64_t most) {
  const int64_t wanted = (elements + kGroup - 1) / kGroup;
  const int64_t warps = (wanted + 31) / 32;
  return static_cast<unsigned>(warps < 1 ? 32 : warps * 32 < most ? warps * 32 : most);
}

}  // namespace lockstep::cuda
