// Random matrices, a reference product in double, and shorthands for the tests of kernels/linear.h.
#pragma once

#include "kernels/cpu/linear/driver.h"
#include "kernels/linear.h"

#include <cstring>
#include <vector>

namespace lockstep::test {

/// A dense matrix that owns its bytes; rows may be spaced wider than they are long.
class Matrix {
 public:
  Matrix(DType dtype, int64_t rows, int64_t columns, int64_t padding = 0)
      : dtype_(dtype),
        rows_(rows),
        columns_(columns),
        stride_(columns + padding),
        bytes_(static_cast<size_t>(rows * stride_ * size_of(dtype))) {}

  /// Pseudo-random values in (-1, 1), rounded to the type; or whole numbers in [-limit, limit].
  static Matrix random(DType dtype, int64_t rows, int64_t columns, uint32_t seed, int64_t padding = 0);
  static Matrix whole_numbers(DType dtype, int64_t rows, int64_t columns, uint32_t seed, int limit);

  double at(int64_t row, int64_t column) const;
  void set(int64_t row, int64_t column, float value);
  int64_t rows() const { return rows_; }
  int64_t columns() const { return columns_; }
  ConstTensorView view() const { return ConstTensorView::matrix(bytes_.data(), dtype_, rows_, columns_, stride_); }
  TensorView view() { return TensorView::matrix(bytes_.data(), dtype_, rows_, columns_, stride_); }
  bool operator==(const Matrix&) const = default;

 private:
  DType dtype_;
  int64_t rows_, columns_, stride_;
  std::vector<std::byte> bytes_;
};

/// x · Wᵀ in double.
std::vector<double> reference_product(const Matrix& x, const Matrix& w);

/// Checks `out` against the reference: each element within `tolerance` of sum |x||w| (plus the rounding of out's type).
void expect_near_reference(const Matrix& x, const Matrix& w, const Matrix& out, double tolerance);

/// Levels that this machine runs, lowest first.
std::vector<CpuIsa> available_isas();

/// floor(i * k / count): boundaries of `count` segments of [0, k).
SegmentBounds even_segments(int64_t k, int64_t count);

}  // namespace lockstep::test
