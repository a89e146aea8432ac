// Shorthands for the tests of `linear` on a CUDA device: matrices in host memory, products as dense floats.
#pragma once

#include "kernels/linear.h"
#include "tests/kernels/cuda/device_support.h"

#include <cstdint>
#include <utility>
#include <vector>

namespace lockstep::test {

/// A matrix in host memory, rounded to its type; rows `padding` elements apart.
class HostMatrix {
 public:
  HostMatrix(DType dtype, int64_t rows, int64_t columns, const std::vector<float>& values, int64_t padding = 0)
      : rows_(rows), columns_(columns), stride_(columns + padding), data_(dtype, rows * stride_) {
    visit_floating(dtype, [&]<class T>() {
      T* const to = static_cast<T*>(data_.view({rows * stride_}).data());
      for (int64_t i = 0; i < rows * columns; ++i) {
        to[i / columns * stride_ + i % columns] = from_float<T>(values[static_cast<size_t>(i)]);
      }
    });
  }
  static HostMatrix random(DType dtype, int64_t rows, int64_t columns, uint64_t seed, int64_t padding = 0) {
    return {dtype, rows, columns, random_floats(rows * columns, seed), padding};
  }
  /// Whole numbers from -limit to limit.
  static HostMatrix whole_numbers(DType dtype, int64_t rows, int64_t columns, uint64_t seed, float limit) {
    std::vector<float> values = random_floats(rows * columns, seed, limit / 3.0F);
    for (float& value : values) value = std::nearbyint(value);
    return {dtype, rows, columns, values};
  }

  int64_t rows() const { return rows_; }
  int64_t columns() const { return columns_; }
  int64_t stride() const { return stride_; }
  DType dtype() const { return data_.dtype(); }
  float at(int64_t row, int64_t column) const { return data_[row * stride_ + column]; }
  ConstTensorView view() { return flat(columns_, stride_); }
  /// All elements, those between the rows too.
  ConstTensorView storage() { return flat(stride_, stride_); }

 private:
  ConstTensorView flat(int64_t columns, int64_t stride) {
    return ConstTensorView::matrix(data_.view({rows_ * stride_}).data(), dtype(), rows_, columns, stride);
  }
  int64_t rows_, columns_, stride_;
  TypedArray data_;
};

inline LinearWeight pack(CudaContext& context, const ConstTensorView& w, SegmentBounds segments) {
  return pack_linear_weight(context, std::span(&w, 1), {}, std::move(segments));
}

/// floor(i * k / count).
inline SegmentBounds even_segments(int64_t k, int64_t count) {
  SegmentBounds bounds;
  for (int64_t i = 0; i <= count; ++i) bounds.push_back(i * k / count);
  return bounds;
}

/// How operands lie in device memory: elements before the first and between rows.
struct Spacing {
  int64_t x_offset = 0, x_padding = 0, out_offset = 0, out_padding = 0;
};
inline constexpr Spacing kOdd{.x_offset = 1, .x_padding = 3, .out_offset = 3, .out_padding = 5};

/// Rows [begin, end) of x times the weight, [end - begin, out_features]; what lies between rows of out stays as it was.
inline std::vector<float> product(CudaContext& context, const HostMatrix& x, int64_t begin, int64_t end,
                                  const LinearWeight& weight, DType out_dtype = DType::kF32,
                                  const Spacing& spacing = {}) {
  const int64_t rows = end - begin, n = weight.out_features;
  const int64_t x_stride = x.columns() + spacing.x_padding, out_stride = n + spacing.out_padding;
  std::vector<float> spaced(static_cast<size_t>(spacing.x_offset + rows * x_stride), std::nanf(""));
  for (int64_t i = 0; i < rows * x.columns(); ++i) {
    const int64_t row = i / x.columns(), column = i % x.columns();
    spaced[static_cast<size_t>(spacing.x_offset + row * x_stride + column)] = x.at(begin + row, column);
  }
  const DeviceArray device_x(context, x.dtype(), spaced);
  const DeviceArray device_out(context, out_dtype, spacing.out_offset + rows * out_stride);
  const auto at = [](const DeviceArray& array, DType dtype, int64_t offset) {
    return static_cast<char*>(array.data()) + offset * size_of(dtype);
  };
  const Device device = Device::cuda(0);
  linear(context,
         ConstTensorView::matrix(at(device_x, x.dtype(), spacing.x_offset), x.dtype(), rows, x.columns(), x_stride,
                                 device),
         weight,
         TensorView::matrix(at(device_out, out_dtype, spacing.out_offset), out_dtype, rows, n, out_stride, device));
  const std::vector<float> all = device_out.floats();
  std::vector<float> out;
  for (int64_t i = 0; i < static_cast<int64_t>(all.size()); ++i) {
    const int64_t place = i - spacing.out_offset;
    if (place >= 0 && place % out_stride < n) {
      out.push_back(all[static_cast<size_t>(i)]);
    } else {
      EXPECT_TRUE(std::isnan(all[static_cast<size_t>(i)])) << "written outside of out, element " << place;
    }
  }
  return out;
}

inline std::vector<float> product(CudaContext& context, const HostMatrix& x, const LinearWeight& weight,
                                  DType out_dtype = DType::kF32, const Spacing& spacing = {}) {
  return product(context, x, 0, x.rows(), weight, out_dtype, spacing);
}

/// Rows [begin, end) of a dense matrix of `columns`, their columns [first, last).
inline std::vector<float> part(const std::vector<float>& values, int64_t columns, int64_t begin, int64_t end,
                               int64_t first, int64_t last) {
  std::vector<float> out;
  for (int64_t row = begin; row < end; ++row) {
    out.insert(out.end(), values.begin() + row * columns + first, values.begin() + row * columns + last);
  }
  return out;
}

}  // namespace lockstep::test
