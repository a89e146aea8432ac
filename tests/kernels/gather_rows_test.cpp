#include "kernels/gather_rows.h"

#include "tests/kernels/op_support.h"

#include <array>
#include <numeric>

namespace lockstep::test {
namespace {

TEST(GatherRows, TakesRowsInTheOrderAsked) {
  const CpuContext context(CpuIsa::kScalar);
  for (const DType dtype : {DType::kF32, DType::kBF16}) {
    constexpr int64_t kRows = 4, kColumns = 3;
    std::vector<float> numbered(kRows * kColumns);
    std::iota(numbered.begin(), numbered.end(), 0.0F);
    TypedArray in(dtype, numbered);
    constexpr std::array<int32_t, 5> kWanted = {3, 0, 0, 2, 3};
    TypedArray out(dtype, kWanted.size() * kColumns);
    gather_rows(context, in.view({kRows, kColumns}), kWanted, out.view({kWanted.size(), kColumns}));
    for (size_t i = 0; i < kWanted.size(); ++i)
      for (int64_t column = 0; column < kColumns; ++column)
        EXPECT_EQ(out[static_cast<int64_t>(i) * kColumns + column], static_cast<float>(kWanted[i] * kColumns + column));
  }
}

TEST(GatherRows, RowStridesAreFree) {
  const CpuContext context(CpuIsa::kScalar);
  std::vector<float> in = {0, 1, 2, 3, 4, 5}, out(6, -1.0F);
  const std::array<int32_t, 2> wanted = {1, 0};
  gather_rows(context, TensorView::matrix(in.data() + 1, DType::kF32, 2, 2, 3), wanted,
              TensorView::matrix(out.data(), DType::kF32, 2, 2, 3));
  EXPECT_EQ(out, (std::vector<float>{4, 5, -1, 1, 2, -1}));
}

TEST(GatherRows, NoRows) {
  const CpuContext context(CpuIsa::kScalar);
  std::vector<float> in(6);
  gather_rows(context, TensorView(in.data(), DType::kF32, {2, 3}), {}, TensorView(in.data(), DType::kF32, {0, 3}));
}

TEST(GatherRows, RefusesRowsThatAreNotThere) {
  const CpuContext context(CpuIsa::kScalar);
  std::vector<float> in(6), out(3);
  const TensorView from(in.data(), DType::kF32, {2, 3}), to(out.data(), DType::kF32, {1, 3});
  for (const int32_t row : {-1, 2}) EXPECT_THROW(gather_rows(context, from, std::array{row}, to), ShapeError);
  EXPECT_THROW(gather_rows(context, from, std::array<int32_t, 2>{0, 1}, to), ShapeError);
  EXPECT_THROW(gather_rows(context, from, std::array{0}, TensorView(out.data(), DType::kBF16, {1, 3})), DTypeError);
}

}  // namespace
}  // namespace lockstep::test
