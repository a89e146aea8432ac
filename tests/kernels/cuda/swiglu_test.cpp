#include "kernels/swiglu.h"

#include "tests/kernels/cuda/device_support.h"

#include <limits>

namespace lockstep::test {
namespace {

TEST(CudaSwiglu, MatchesDoubleReference) {
  CudaContext context;
  for (const int64_t ffn : {1, 15, 16, 33, 200, 2060}) {
    for (const DType out_dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
      constexpr int64_t kRows = 3;
      const std::vector<float> in = random_floats(kRows * 2 * ffn, 7, 8.0F);
      const DeviceArray gate_up(context, DType::kF32, in), out(context, out_dtype, kRows * ffn);
      swiglu(context, gate_up.view({kRows, 2 * ffn}), out.view({kRows, ffn}));
      const std::vector<float> result = out.floats();
      for (int64_t i = 0; i < kRows * ffn; ++i) {
        const auto at = static_cast<size_t>(i / ffn * 2 * ffn + i % ffn);
        const double gate = in[at], up = in[at + static_cast<size_t>(ffn)];
        const double expected = gate / (1.0 + std::exp(-gate)) * up;
        ASSERT_NEAR(result[static_cast<size_t>(i)], expected, std::abs(expected) * (4e-7 + rounding(out_dtype)) + 1e-7)
            << "ffn " << ffn << " gate " << gate << " up " << up;
      }
    }
  }
}

TEST(CudaSwiglu, ExtremeGates) {
  CudaContext context;
  const float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const DeviceArray in(
      context, DType::kF32,
      std::vector<float>{0.0F, -0.0F, 100.0F, -88.0F, -300.0F, infinity, nan, 3e38F, 1, 1, 1, 1, 1, 1, 1, 1});
  const DeviceArray result(context, DType::kF32, 8);
  swiglu(context, in.view({1, 16}), result.view({1, 8}));
  const std::vector<float> out = result.floats();
  EXPECT_EQ(out[0], 0.0F);
  EXPECT_EQ(out[1], 0.0F);
  EXPECT_EQ(out[2], 100.0F);
  EXPECT_NEAR(out[3] / (-88.0 * std::exp(-88.0)), 1.0, 1e-5);
  EXPECT_EQ(out[4], 0.0F);
  EXPECT_EQ(out[5], infinity);
  EXPECT_TRUE(std::isnan(out[6]));
  EXPECT_EQ(out[7], 3e38F);
}

// The exponential takes the steps of the CPU's levels with fused multiply-add: nothing is left to a device's library.
TEST(CudaSwiglu, HasTheBitsOfTheCpu) {
  if (detect_cpu_isa() < CpuIsa::kAvx2) GTEST_SKIP() << "the CPU has no fused multiply-add";
  CudaContext context;
  const CpuContext cpu;
  constexpr int64_t kRows = 7, kFfn = 333;
  std::vector<float> in = random_floats(kRows * 2 * kFfn, 9, 30.0F), expected(kRows * kFfn);
  const DeviceArray gate_up(context, DType::kF32, in), out(context, DType::kF32, kRows * kFfn);
  swiglu(context, gate_up.view({kRows, 2 * kFfn}), out.view({kRows, kFfn}));
  swiglu(cpu, TensorView(in.data(), DType::kF32, {kRows, 2 * kFfn}),
         TensorView(expected.data(), DType::kF32, {kRows, kFfn}));
  EXPECT_TRUE(same_bits(out.floats(), expected));
}

TEST(CudaSwiglu, StridesAndAlignmentDoNotShow) {
  CudaContext context;
  constexpr int64_t kRows = 3, kFfn = 37, kInStride = 2 * kFfn + 6, kOutStride = kFfn + 3;  // in: aligned rows
  const std::vector<float> in = random_floats(kRows * kInStride, 3);
  std::vector<float> dense;
  for (int64_t r = 0; r < kRows; ++r) {
    dense.insert(dense.end(), in.begin() + r * kInStride, in.begin() + r * kInStride + 2 * kFfn);
  }
  const DeviceArray strided(context, DType::kF32, in), packed(context, DType::kF32, dense);
  const DeviceArray wide(context, DType::kBF16, kRows * kOutStride), out(context, DType::kBF16, kRows * kFfn);
  swiglu(context, packed.view({kRows, 2 * kFfn}), out.view({kRows, kFfn}));
  swiglu(context, TensorView::matrix(strided.data(), DType::kF32, kRows, 2 * kFfn, kInStride, Device::cuda(0)),
         TensorView::matrix(wide.data(), DType::kBF16, kRows, kFfn, kOutStride, Device::cuda(0)));
  const std::vector<float> expected = out.floats(), result = wide.floats();
  for (int64_t i = 0; i < kRows * kOutStride; ++i) {
    const float seen = result[static_cast<size_t>(i)];
    if (i % kOutStride < kFfn) {
      ASSERT_EQ(seen, expected[static_cast<size_t>(i / kOutStride * kFfn + i % kOutStride)]);
    } else {
      ASSERT_TRUE(std::isnan(seen)) << "written between the rows";
    }
  }
}

}  // namespace
}  // namespace lockstep::test
