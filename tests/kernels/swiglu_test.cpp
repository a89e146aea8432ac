#include "kernels/swiglu.h"

#include "tests/kernels/op_support.h"

#include <limits>

namespace lockstep::test {
namespace {

class Swiglu : public testing::TestWithParam<CpuIsa> {};

TEST_P(Swiglu, MatchesDoubleReference) {
  const CpuContext context(GetParam());
  for (const int64_t ffn : {1, 15, 16, 33, 200}) {
    for (const DType out_dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
      constexpr int64_t kRows = 3;
      std::vector<float> in = random_floats(kRows * 2 * ffn, 7, 8.0F);
      TypedArray out(out_dtype, kRows * ffn);
      swiglu(context, TensorView(in.data(), DType::kF32, {kRows, 2 * ffn}), out.view({kRows, ffn}));
      for (int64_t i = 0; i < kRows * ffn; ++i) {
        const size_t at = static_cast<size_t>(i / ffn * 2 * ffn + i % ffn);
        const double gate = in[at], up = in[at + static_cast<size_t>(ffn)];
        const double expected = gate / (1.0 + std::exp(-gate)) * up;
        ASSERT_NEAR(out[i], expected, std::abs(expected) * (4e-7 + rounding(out_dtype)) + 1e-7) << gate << " " << up;
      }
    }
  }
}

TEST_P(Swiglu, ExtremeGates) {
  const CpuContext context(GetParam());
  const float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> in = {0.0F, -0.0F, 100.0F, -88.0F, -300.0F, infinity, nan, 3e38F, 1, 1, 1, 1, 1, 1, 1, 1};
  std::vector<float> out(8);
  swiglu(context, TensorView(in.data(), DType::kF32, {1, 16}), TensorView(out.data(), DType::kF32, {1, 8}));
  EXPECT_EQ(out[0], 0.0F);
  EXPECT_EQ(out[1], 0.0F);
  EXPECT_EQ(out[2], 100.0F);
  EXPECT_NEAR(out[3] / (-88.0 * std::exp(-88.0)), 1.0, 1e-5);
  EXPECT_EQ(out[4], 0.0F);
  EXPECT_EQ(out[5], infinity);
  EXPECT_TRUE(std::isnan(out[6]));
  EXPECT_EQ(out[7], 3e38F);
}

// The same pair of numbers anywhere in a row of any length has the same bits: tails run the vector's arithmetic.
TEST_P(Swiglu, BitsDoNotDependOnPosition) {
  const CpuContext context(GetParam());
  constexpr int64_t kValues = 64;
  const std::vector<float> gates = random_floats(kValues, 8, 5.0F);
  for (int64_t v = 0; v < kValues; ++v) {
    std::vector<float> seen;
    for (const int64_t ffn : {1, 3, 16, 37}) {
      std::vector<float> in(static_cast<size_t>(2 * ffn), gates[static_cast<size_t>(v)]), out(static_cast<size_t>(ffn));
      swiglu(context, TensorView(in.data(), DType::kF32, {1, 2 * ffn}), TensorView(out.data(), DType::kF32, {1, ffn}));
      seen.insert(seen.end(), out.begin(), out.end());
    }
    EXPECT_TRUE(same_bits(seen, std::vector<float>(seen.size(), seen[0])));
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, Swiglu, testing::ValuesIn(isa_levels()),
                         [](const auto& p) { return std::string(name_of(p.param)); });

}  // namespace
}  // namespace lockstep::test
