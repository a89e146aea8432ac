#include "tests/kernels/linear_support.h"

#include <cmath>
#include <gtest/gtest.h>

namespace lockstep::test {
namespace {

uint32_t next_random(uint32_t& state) {
  state = state * 1664525U + 1013904223U;
  return state >> 8;
}

}  // namespace

Matrix Matrix::random(DType dtype, int64_t rows, int64_t columns, uint32_t seed, int64_t padding) {
  Matrix matrix(dtype, rows, columns, padding);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) {
      matrix.set(r, c, static_cast<float>(next_random(seed)) * 0x1p-23F - 1.0F);
    }
  }
  return matrix;
}

Matrix Matrix::whole_numbers(DType dtype, int64_t rows, int64_t columns, uint32_t seed, int limit) {
  Matrix matrix(dtype, rows, columns);
  const uint32_t choices = 2 * static_cast<uint32_t>(limit) + 1;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) {
      matrix.set(r, c, static_cast<float>(static_cast<int>(next_random(seed) % choices) - limit));
    }
  }
  return matrix;
}

double Matrix::at(int64_t row, int64_t column) const {
  return visit_floating(dtype_, [&]<class T>() {
    return static_cast<double>(to_float(reinterpret_cast<const T*>(bytes_.data())[row * stride_ + column]));
  });
}

void Matrix::set(int64_t row, int64_t column, float value) {
  visit_floating(
      dtype_, [&]<class T>() { reinterpret_cast<T*>(bytes_.data())[row * stride_ + column] = from_float<T>(value); });
}

std::vector<double> reference_product(const Matrix& x, const Matrix& w) {
  std::vector<double> out;
  for (int64_t m = 0; m < x.rows(); ++m) {
    for (int64_t n = 0; n < w.rows(); ++n) {
      double sum = 0;
      for (int64_t k = 0; k < x.columns(); ++k) sum += x.at(m, k) * w.at(n, k);
      out.push_back(sum);
    }
  }
  return out;
}

void expect_near_reference(const Matrix& x, const Matrix& w, const Matrix& out, double tolerance) {
  const std::vector<double> expected = reference_product(x, w);
  const DType out_dtype = out.view().dtype();
  const double rounding = out_dtype == DType::kF32 ? 0.0 : out_dtype == DType::kF16 ? 0x1p-11 : 0x1p-8;
  for (int64_t m = 0; m < x.rows(); ++m) {
    for (int64_t n = 0; n < w.rows(); ++n) {
      double magnitude = 0;
      for (int64_t k = 0; k < x.columns(); ++k) magnitude += std::abs(x.at(m, k) * w.at(n, k));
      const double want = expected[static_cast<size_t>(m * w.rows() + n)];
      ASSERT_NEAR(out.at(m, n), want, tolerance * magnitude + rounding * std::abs(want) + 1e-7)
          << "row " << m << ", column " << n;
    }
  }
}

std::vector<CpuIsa> available_isas() {
  std::vector<CpuIsa> isas;
  for (int isa = 0; isa <= static_cast<int>(detect_cpu_isa()); ++isa) isas.push_back(static_cast<CpuIsa>(isa));
  return isas;
}

SegmentBounds even_segments(int64_t k, int64_t count) {
  SegmentBounds bounds;
  for (int64_t i = 0; i <= count; ++i) bounds.push_back(i * k / count);
  return bounds;
}

}  // namespace lockstep::test
