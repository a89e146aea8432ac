#include "tests/support/cuda_emulation/product.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace lockstep::emulation {
namespace {

// A panel of columns is laid out so that one product of a row goes to all of them at once; four rows share its loads.
constexpr int64_t kColumns = 16, kRows = 4;
using Lanes = float __attribute__((vector_size(32)));
constexpr int64_t kLanes = 8, kVectors = kColumns / kLanes;

struct Tile {
  Lanes sums[kRows][kVectors];
};

/// Sums over k = begin, begin + step, … < end. `x` [length][kRows], `panel` [length][kColumns].
[[gnu::always_inline]] inline void sum_body(const float* x, const float* panel, int64_t begin, int64_t end,
                                            int64_t step, Tile& out) {
  Tile tile{};
  for (int64_t k = begin; k < end; k += step) {
    Lanes w[kVectors];
    std::memcpy(w, panel + k * kColumns, sizeof w);
    for (int64_t r = 0; r < kRows; ++r) {
      for (int64_t v = 0; v < kVectors; ++v) tile.sums[r][v] += x[k * kRows + r] * w[v];
    }
  }
  out = tile;
}

using Sum = void(const float*, const float*, int64_t, int64_t, int64_t, Tile&);

void sum_plain(const float* x, const float* panel, int64_t begin, int64_t end, int64_t step, Tile& out) {
  sum_body(x, panel, begin, end, step, out);
}

#if defined(__x86_64__)
[[gnu::target("avx2")]] void sum_avx2(const float* x, const float* panel, int64_t begin, int64_t end, int64_t step,
                                      Tile& out) {
  sum_body(x, panel, begin, end, step, out);
}
Sum* const sum = __builtin_cpu_supports("avx2") ? sum_avx2 : sum_plain;
#else
Sum* const sum = sum_plain;
#endif

void add(Tile& to, const Tile& more) {
  for (int64_t r = 0; r < kRows; ++r) {
    for (int64_t v = 0; v < kVectors; ++v) to.sums[r][v] += more.sums[r][v];
  }
}

void sum_in_order(const float* x, const float* panel, int64_t length, SumOrder order, Tile& out) {
  Tile other, last;
  switch (order) {
    case SumOrder::kRunning: sum(x, panel, 0, length, 1, out); return;
    case SumOrder::kHalves:
      sum(x, panel, 0, length / 2, 1, out);
      sum(x, panel, length / 2, length, 1, other);
      add(out, other);
      return;
    case SumOrder::kInterleaved:
      sum(x, panel, 0, length, 4, out);
      sum(x, panel, 1, length, 4, other);
      add(out, other);
      sum(x, panel, 2, length, 4, other);
      sum(x, panel, 3, length, 4, last);
      add(other, last);
      add(out, other);
      return;
  }
}

/// `count` rows of `from` as columns of `to` [length][width], zeros behind them.
template <class T>
void transpose(const T* from, int64_t stride, int64_t count, int64_t length, int64_t width, float* to) {
  for (int64_t i = 0; i < width; ++i) {
    for (int64_t k = 0; k < length; ++k) to[k * width + i] = i < count ? to_float(from[i * stride + k]) : 0.0F;
  }
}

template <class T, class Out>
void multiply_typed(const Product& product, SumOrder order, int64_t first, int64_t last) {
  const int64_t num_blocks = (last - first + kRows - 1) / kRows, length = product.length;
  const auto* const x = static_cast<const T*>(product.x);
  std::vector<float> blocks(static_cast<size_t>(num_blocks * kRows * length));
  for (int64_t b = 0; b < num_blocks; ++b) {
    const int64_t row = first + b * kRows;
    transpose(x + row * product.x_stride, product.x_stride, std::min(kRows, last - row), length, kRows,
              blocks.data() + b * kRows * length);
  }
  std::vector<float> panel(static_cast<size_t>(kColumns * length));
  for (int64_t column = 0; column < product.columns; column += kColumns) {
    const int64_t width = std::min(kColumns, product.columns - column);
    transpose(static_cast<const T*>(product.w) + column * product.w_stride, product.w_stride, width, length, kColumns,
              panel.data());
    for (int64_t b = 0; b < num_blocks; ++b) {
      Tile tile;
      sum_in_order(blocks.data() + b * kRows * length, panel.data(), length, order, tile);
      for (int64_t r = 0; r < kRows && first + b * kRows + r < last; ++r) {
        float values[kColumns];
        std::memcpy(values, tile.sums[r], sizeof values);
        Out* const out = static_cast<Out*>(product.out) + (first + b * kRows + r) * product.out_stride + column;
        for (int64_t n = 0; n < width; ++n) {
          out[n] = from_float<Out>(product.bias == nullptr ? values[n] : values[n] + product.bias[column + n]);
        }
      }
    }
  }
}

}  // namespace

void multiply(const Product& product, SumOrder order, int64_t first, int64_t last) {
  if (first >= last) return;
  visit_floating(product.dtype, [&]<class T>() {
    if (product.out_dtype == DType::kF32) {
      multiply_typed<T, float>(product, order, first, last);
    } else {
      multiply_typed<T, T>(product, order, first, last);
    }
  });
}

}  // namespace lockstep::emulation
