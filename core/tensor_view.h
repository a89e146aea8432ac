// Non-owning views of tensors: address, element type, shape and strides. Trivially copyable; owners are Buffers.
#pragma once

#include "core/device.h"
#include "core/dtype.h"
#include "core/error.h"

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>

namespace lockstep {

inline constexpr int kMaxTensorRank = 4;

/// Sizes of a tensor's axes, outermost first. Sizes may be 0.
class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<int64_t> dims);

  int rank() const { return rank_; }
  int64_t operator[](int axis) const { return dims_[static_cast<size_t>(axis)]; }
  int64_t num_elements() const;
  bool operator==(const Shape&) const = default;
  /// "[3, 64]".
  std::string to_string() const;

 private:
  std::array<int64_t, kMaxTensorRank> dims_{};
  int rank_ = 0;
};

/// A view whose innermost axis is contiguous; outer axes may be strided (strides in elements).
/// `Pointer` is `void*` or `const void*`; a mutable view converts to a const one.
template <class Pointer>
class BasicTensorView {
 public:
  BasicTensorView() = default;
  /// A contiguous row-major view.
  BasicTensorView(Pointer data, DType dtype, Shape shape, Device device = Device::cpu())
      : data_(data), dtype_(dtype), device_(device), shape_(shape) {
    int64_t stride = 1;
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      strides_[static_cast<size_t>(axis)] = stride;
      stride *= shape[axis];
    }
  }
  /// A matrix of `rows` x `columns` whose rows start `row_stride` elements apart.
  static BasicTensorView matrix(Pointer data, DType dtype, int64_t rows, int64_t columns, int64_t row_stride,
                                Device device = Device::cpu()) {
    BasicTensorView view(data, dtype, {rows, columns}, device);
    view.strides_[0] = row_stride;
    return view;
  }
  template <class Other>
  requires(std::is_same_v<Pointer, const void*>&& std::is_same_v<Other, void*>)
      BasicTensorView(const BasicTensorView<Other>& other)  // NOLINT: implicit on purpose
      : data_(other.data()), dtype_(other.dtype()), device_(other.device()), shape_(other.shape()) {
    for (int axis = 0; axis < shape_.rank(); ++axis) strides_[static_cast<size_t>(axis)] = other.stride(axis);
  }

  Pointer data() const { return data_; }
  DType dtype() const { return dtype_; }
  Device device() const { return device_; }
  const Shape& shape() const { return shape_; }
  int rank() const { return shape_.rank(); }
  int64_t size(int axis) const { return shape_[axis]; }
  /// Distance of neighbours along `axis`, in elements.
  int64_t stride(int axis) const { return strides_[static_cast<size_t>(axis)]; }
  bool is_contiguous() const {
    int64_t expected = 1;
    for (int axis = rank() - 1; axis >= 0; --axis) {
      if (size(axis) != 1 && stride(axis) != expected) return false;
      expected *= size(axis);
    }
    return true;
  }

  /// Typed address. Throws DTypeError if `T` is not the element type.
  template <class T>
  auto as() const {
    LS_REQUIRE(DTypeError, dtype_ == kDTypeOf<T>, "tensor holds {}, not {}", name_of(dtype_), name_of(kDTypeOf<T>));
    if constexpr (std::is_same_v<Pointer, void*>)
      return static_cast<T*>(data_);
    else
      return static_cast<const T*>(data_);
  }

  /// Elements [begin, end) along `axis`; no copy. Throws ShapeError out of range.
  BasicTensorView slice(int axis, int64_t begin, int64_t end) const {
    LS_REQUIRE(ShapeError, axis >= 0 && axis < rank() && begin >= 0 && begin <= end && end <= size(axis),
               "slice [{}, {}) of axis {} of shape {}", begin, end, axis, shape_.to_string());
    BasicTensorView out = *this;
    using Byte = std::conditional_t<std::is_same_v<Pointer, void*>, char, const char>;
    out.data_ = static_cast<Byte*>(data_) + begin * stride(axis) * size_of(dtype_);
    std::array<int64_t, kMaxTensorRank> dims{};
    for (int a = 0; a < rank(); ++a) dims[static_cast<size_t>(a)] = a == axis ? end - begin : size(a);
    out.shape_ = rank() == 1   ? Shape{dims[0]}
                 : rank() == 2 ? Shape{dims[0], dims[1]}
                 : rank() == 3 ? Shape{dims[0], dims[1], dims[2]}
                               : Shape{dims[0], dims[1], dims[2], dims[3]};
    return out;
  }

 private:
  Pointer data_ = nullptr;
  DType dtype_ = DType::kF32;
  Device device_ = Device::cpu();
  Shape shape_;
  std::array<int64_t, kMaxTensorRank> strides_{};
};

using TensorView = BasicTensorView<void*>;
using ConstTensorView = BasicTensorView<const void*>;

}  // namespace lockstep
