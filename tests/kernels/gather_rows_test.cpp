#include "kernels/gather_rows.h"

#include "tests/kernels/op_support.h"

#include <numeric>

namespace lockstep::test {
namespace {

ConstTensorView rows_of(const std::vector<int32_t>& rows) {
  return {rows.data(), DType::kI32, {static_cast<int64_t>(rows.size())}};
}

TEST(GatherRows, TakesRowsInTheOrderAsked) {
  const CpuContext context(CpuIsa::kScalar);
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    constexpr int64_t kRows = 4, kColumns = 3;
    std::vector<float> numbered(kRows * kColumns);
    std::iota(numbered.begin(), numbered.end(), 0.0F);
    TypedArray in(dtype, numbered);
    const std::vector<int32_t> wanted = {3, 0, 0, 2, 3};
    TypedArray out(dtype, 5 * kColumns);
    gather_rows(context, in.view({kRows, kColumns}), rows_of(wanted), out.view({5, kColumns}));
    for (size_t i = 0; i < wanted.size(); ++i)
      for (int64_t column = 0; column < kColumns; ++column)
        EXPECT_EQ(out[static_cast<int64_t>(i) * kColumns + column], static_cast<float>(wanted[i] * kColumns + column));
  }
}

TEST(GatherRows, RowStridesAreFree) {
  const CpuContext context(CpuIsa::kScalar);
  std::vector<float> in = {0, 1, 2, 3, 4, 5}, out(6, -1.0F);
  gather_rows(context, TensorView::matrix(in.data() + 1, DType::kF32, 2, 2, 3), rows_of({1, 0}),
              TensorView::matrix(out.data(), DType::kF32, 2, 2, 3));
  EXPECT_EQ(out, (std::vector<float>{4, 5, -1, 1, 2, -1}));
}

TEST(GatherRows, NoRows) {
  const CpuContext context(CpuIsa::kScalar);
  std::vector<float> in(6);
  gather_rows(context, TensorView(in.data(), DType::kF32, {2, 3}), rows_of({}),
              TensorView(in.data(), DType::kF32, {0, 3}));
}

TEST(GatherRows, RefusesRowsThatAreNotThere) {
  const CpuContext context(CpuIsa::kScalar);
  std::vector<float> in(6), out(3);
  const TensorView from(in.data(), DType::kF32, {2, 3}), to(out.data(), DType::kF32, {1, 3});
  for (const int32_t row : {-1, 2}) EXPECT_THROW(gather_rows(context, from, rows_of({row}), to), ShapeError);
  EXPECT_THROW(gather_rows(context, from, rows_of({0, 1}), to), ShapeError);
  EXPECT_THROW(gather_rows(context, from, rows_of({0}), TensorView(out.data(), DType::kBF16, {1, 3})), DTypeError);
  EXPECT_THROW(gather_rows(context, from, TensorView(in.data(), DType::kF32, {1}), to), DTypeError);
}

}  // namespace
}  // namespace lockstep::test
