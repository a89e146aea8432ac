#include "kernels/add_bias.h"

#include "tests/kernels/op_support.h"

namespace lockstep::test {
namespace {

TEST(AddBias, AddsToEveryRowAndToNothingElse) {
  const CpuContext context(CpuIsa::kScalar);
  for (const int64_t columns : {1, 7, 33}) {
    constexpr int64_t kRows = 3;
    const int64_t stride = columns + 2;
    const std::vector<float> before = random_floats(kRows * stride, 3, 2.0F);
    std::vector<float> bias = random_floats(columns, 4, 2.0F), x = before;
    add_bias(context, TensorView::matrix(x.data(), DType::kF32, kRows, columns, stride),
             TensorView(bias.data(), DType::kF32, {columns}));
    for (int64_t i = 0; i < kRows * stride; ++i) {
      const int64_t column = i % stride;
      const auto at = static_cast<size_t>(i);
      EXPECT_EQ(x[at], column < columns ? before[at] + bias[static_cast<size_t>(column)] : before[at]);
    }
  }
}

TEST(AddBias, RefusesOtherShapesAndTypes) {
  const CpuContext context(CpuIsa::kScalar);
  std::vector<float> x(6), bias(3);
  const TensorView rows(x.data(), DType::kF32, {3, 2});
  EXPECT_THROW(add_bias(context, rows, TensorView(bias.data(), DType::kF32, {3})), ShapeError);
  EXPECT_THROW(add_bias(context, rows, TensorView(bias.data(), DType::kBF16, {2})), DTypeError);
}

}  // namespace
}  // namespace lockstep::test
