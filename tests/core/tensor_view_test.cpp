#include "core/tensor_view.h"

#include <array>
#include <gtest/gtest.h>

namespace lockstep {
namespace {

TEST(TensorView, SlicesShareMemoryAndKeepStrides) {
  std::array<float, 24> data{};
  const TensorView whole(data.data(), DType::kF32, {2, 3, 4});
  EXPECT_TRUE(whole.is_contiguous());
  EXPECT_EQ(whole.stride(0), 12);
  const TensorView columns = whole.slice(2, 1, 3);
  EXPECT_EQ(columns.as<float>(), data.data() + 1);
  EXPECT_EQ(columns.shape(), (Shape{2, 3, 2}));
  EXPECT_EQ(columns.stride(1), 4);
  EXPECT_FALSE(columns.is_contiguous());
  EXPECT_TRUE(whole.slice(0, 1, 2).is_contiguous());
  EXPECT_THROW(whole.slice(1, 2, 4), ShapeError);
}

TEST(TensorView, MatrixRowsMayBeApart) {
  std::array<float, 20> data{};
  const ConstTensorView view = TensorView::matrix(data.data(), DType::kF32, 2, 4, 10);
  EXPECT_EQ(view.stride(0), 10);
  EXPECT_FALSE(view.is_contiguous());
  EXPECT_THROW(view.as<BFloat16>(), DTypeError);
}

TEST(Shape, CountsAndPrints) {
  EXPECT_EQ((Shape{3, 0, 2}).num_elements(), 0);
  EXPECT_EQ(Shape{}.num_elements(), 1);
  EXPECT_EQ((Shape{3, 64}).to_string(), "[3, 64]");
  EXPECT_THROW((Shape{1, 1, 1, 1, 1}), ShapeError);
  EXPECT_THROW((Shape{-1}), ShapeError);
}

}  // namespace
}  // namespace lockstep
