#include "kernels/rms_norm.h"

#include "kernels/head_norm.h"
#include "tests/kernels/op_support.h"

namespace lockstep::test {
namespace {

double reference_rms_norm(const float* row, int64_t n, double eps, double weight, int64_t i) {
  double squares = 0.0;
  for (int64_t k = 0; k < n; ++k) squares += static_cast<double>(row[k]) * row[k];
  return row[i] / std::sqrt(squares / static_cast<double>(n) + eps) * weight;
}

class RmsNorm : public testing::TestWithParam<CpuIsa> {};

TEST_P(RmsNorm, MatchesDoubleReference) {
  const CpuContext context(GetParam());
  for (const int64_t hidden : {1, 7, 16, 65, 100, 576}) {
    for (const DType weight_dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
      for (const DType out_dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
        constexpr int64_t kRows = 5;
        std::vector<float> in = random_floats(kRows * hidden, 1);
        TypedArray weight(weight_dtype, random_floats(hidden, 2)), out(out_dtype, kRows * hidden);
        rms_norm(context, TensorView(in.data(), DType::kF32, {kRows, hidden}), weight.view({hidden}), 1e-5F,
                 out.view({kRows, hidden}));
        for (int64_t i = 0; i < kRows * hidden; ++i) {
          const double expected = reference_rms_norm(&in[static_cast<size_t>(i / hidden * hidden)], hidden, 1e-5,
                                                     weight[i % hidden], i % hidden);
          ASSERT_NEAR(out[i], expected, std::abs(expected) * (1e-6 + rounding(out_dtype)) + 1e-7)
              << "hidden " << hidden << " element " << i;
        }
      }
    }
  }
}

TEST_P(RmsNorm, FusedAdditionEqualsSeparateOnes) {
  const CpuContext context(GetParam());
  constexpr int64_t kRows = 3, kHidden = 83;
  std::vector<float> residual = random_floats(kRows * kHidden, 1), delta = random_floats(kRows * kHidden, 2);
  std::vector<float> sum(residual.size()), weight = random_floats(kHidden, 3);
  for (size_t i = 0; i < sum.size(); ++i) sum[i] = residual[i] + delta[i];
  std::vector<float> expected(sum.size()), out(sum.size());
  const Shape shape = {kRows, kHidden};
  const TensorView weight_view(weight.data(), DType::kF32, {kHidden});
  rms_norm(context, TensorView(sum.data(), DType::kF32, shape), weight_view, 1e-6F,
           TensorView(expected.data(), DType::kF32, shape));
  add_rms_norm(context, TensorView(residual.data(), DType::kF32, shape), TensorView(delta.data(), DType::kF32, shape),
               weight_view, 1e-6F, TensorView(out.data(), DType::kF32, shape));
  EXPECT_TRUE(same_bits(residual, sum));
  EXPECT_TRUE(same_bits(out, expected));
}

TEST_P(RmsNorm, RowsDoNotDependOnEachOtherStrideOrAliasing) {
  constexpr int64_t kRows = 9, kHidden = 45, kStride = 51;
  std::vector<float> in = random_floats(kRows * kStride, 4), weight = random_floats(kHidden, 5);
  const TensorView weight_view(weight.data(), DType::kF32, {kHidden});
  std::vector<float> alone(kRows * kHidden);
  for (int64_t r = 0; r < kRows; ++r) {
    rms_norm(CpuContext(GetParam(), 1), TensorView(&in[static_cast<size_t>(r * kStride)], DType::kF32, {1, kHidden}),
             weight_view, 1e-6F, TensorView(&alone[static_cast<size_t>(r * kHidden)], DType::kF32, {1, kHidden}));
  }
  const TensorView strided = TensorView::matrix(in.data(), DType::kF32, kRows, kHidden, kStride);
  rms_norm(CpuContext(GetParam(), 3), strided, weight_view, 1e-6F, strided);
  for (int64_t i = 0; i < kRows * kHidden; ++i) {
    EXPECT_EQ(in[static_cast<size_t>(i / kHidden * kStride + i % kHidden)], alone[static_cast<size_t>(i)]);
  }
}

TEST_P(RmsNorm, HeadsHaveTheBitsOfRows) {
  const CpuContext context(GetParam());
  constexpr int64_t kTokens = 3, kHeads = 4, kDim = 20, kAll = kHeads + 2;  // other heads lie beside them, as in qkv
  std::vector<float> x = random_floats(kTokens * kAll * kDim, 6), expected = x;
  TypedArray weight(DType::kBF16, random_floats(kDim, 7));
  for (int64_t t = 0; t < kTokens; ++t) {
    const TensorView rows(&expected[static_cast<size_t>((t * kAll + 1) * kDim)], DType::kF32, {kHeads, kDim});
    rms_norm(context, rows, weight.view({kDim}), 1e-6F, rows);
  }
  head_norm(context, TensorView(x.data(), DType::kF32, {kTokens, kAll, kDim}).slice(1, 1, 1 + kHeads),
            weight.view({kDim}), 1e-6F);
  EXPECT_TRUE(same_bits(x, expected));
}

INSTANTIATE_TEST_SUITE_P(Levels, RmsNorm, testing::ValuesIn(isa_levels()),
                         [](const auto& p) { return std::string(name_of(p.param)); });

TEST(RmsNormErrors, NameTheArgument) {
  const CpuContext context;
  std::vector<float> data(12);
  const TensorView rows(data.data(), DType::kF32, {3, 4}), weight(data.data(), DType::kF32, {4});
  EXPECT_THROW(rms_norm(context, rows, rows, 1e-6F, rows), ShapeError);
  EXPECT_THROW(rms_norm(context, TensorView(data.data(), DType::kBF16, {3, 4}), weight, 1e-6F, rows), DTypeError);
  rms_norm(context, rows.slice(0, 0, 0), weight, 1e-6F, rows.slice(0, 0, 0));  // no rows: nothing to do
  OpContext bare;
  EXPECT_THROW(rms_norm(bare, rows, weight, 1e-6F, rows), Error);
}

}  // namespace
}  // namespace lockstep::test
