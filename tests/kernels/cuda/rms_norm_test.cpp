#include "kernels/rms_norm.h"

#include "kernels/head_norm.h"
#include "tests/kernels/cuda/device_support.h"

namespace lockstep::test {
namespace {

constexpr DType kTypes[] = {DType::kF32, DType::kF16, DType::kBF16};

TEST(CudaRmsNorm, MatchesDoubleReference) {
  CudaContext context;
  // Around a warp's 512 elements, a block's 16,384, and odd sizes whose rows are not aligned.
  for (const int64_t hidden : {1, 3, 8, 100, 511, 513, 576, 1028, 16384, 16397, 20000}) {
    const bool is_long = hidden > 1000;
    for (const DType weight_dtype : kTypes) {
      for (const DType out_dtype : kTypes) {
        if (is_long && weight_dtype != out_dtype) continue;
        const int64_t num_rows = is_long ? 2 : 5;
        const std::vector<float> in = random_floats(num_rows * hidden, 1), weight = random_floats(hidden, 2);
        const TypedArray rounded(weight_dtype, weight);
        const DeviceArray x(context, DType::kF32, in), w(context, weight_dtype, weight);
        const DeviceArray out(context, out_dtype, num_rows * hidden);
        rms_norm(context, x.view({num_rows, hidden}), w.view({hidden}), 1e-5F, out.view({num_rows, hidden}));
        const std::vector<float> result = out.floats();
        for (int64_t r = 0; r < num_rows; ++r) {
          const float* const row = &in[static_cast<size_t>(r * hidden)];
          double squares = 0.0;
          for (int64_t i = 0; i < hidden; ++i) squares += static_cast<double>(row[i]) * row[i];
          const double factor = 1.0 / std::sqrt(squares / static_cast<double>(hidden) + 1e-5);
          for (int64_t i = 0; i < hidden; ++i) {
            const double expected = row[i] * factor * rounded[i];
            ASSERT_NEAR(result[static_cast<size_t>(r * hidden + i)], expected,
                        std::abs(expected) * (2e-6 + rounding(out_dtype)) + 1e-7)
                << "hidden " << hidden << " element " << i;
          }
        }
        EXPECT_TRUE(same_bits(x.floats(), in)) << "the input is not written";
      }
    }
  }
}

TEST(CudaRmsNorm, FusedAdditionEqualsSeparateOnes) {
  CudaContext context;
  for (const int64_t hidden : {7, 83, 1024, 16500}) {
    constexpr int64_t kRows = 3;
    std::vector<float> residual = random_floats(kRows * hidden, 1);
    const std::vector<float> delta = random_floats(kRows * hidden, 2);
    const DeviceArray x(context, DType::kF32, residual), d(context, DType::kF32, delta);
    const DeviceArray w(context, DType::kBF16, random_floats(hidden, 3));
    const DeviceArray fused(context, DType::kF16, kRows * hidden), separate(context, DType::kF16, kRows * hidden);
    const Shape shape = {kRows, hidden};
    add_rms_norm(context, x.view(shape), d.view(shape), w.view({hidden}), 1e-6F, fused.view(shape));
    for (size_t i = 0; i < residual.size(); ++i) residual[i] += delta[i];
    EXPECT_TRUE(same_bits(x.floats(), residual));
    rms_norm(context, DeviceArray(context, DType::kF32, residual).view(shape), w.view({hidden}), 1e-6F,
             separate.view(shape));
    EXPECT_EQ(fused.download(), separate.download());
  }
}

// The order of a sum follows from the row's length: neither neighbours, strides, addresses nor aliasing show.
TEST(CudaRmsNorm, BitsDependOnTheRowAlone) {
  CudaContext context;
  for (const int64_t hidden : {45, 64, 700, 2052, 17000}) {
    constexpr int64_t kRows = 16;  // another order changes the last bit of some rows, not of all
    const DeviceArray w(context, DType::kF32, random_floats(hidden, 5));
    for (const int64_t stride : {hidden + 1, hidden + 4}) {
      const std::vector<float> in = random_floats(kRows * stride + 1, 4);
      std::vector<float> alone = in;
      for (int64_t r = 0; r < kRows; ++r) {
        const auto begin = alone.begin() + 1 + r * stride;
        const DeviceArray row(context, DType::kF32, std::vector<float>(begin, begin + hidden));
        rms_norm(context, row.view({1, hidden}), w.view({hidden}), 1e-6F, row.view({1, hidden}));
        const std::vector<float> result = row.floats();
        std::copy(result.begin(), result.end(), begin);
      }
      const DeviceArray all(context, DType::kF32, in);
      const TensorView rows = TensorView::matrix(all.view({1}).as<float>() + 1, DType::kF32, kRows, hidden, stride,
                                                 Device::cuda(0));  // 4 bytes behind an aligned address
      rms_norm(context, rows, w.view({hidden}), 1e-6F, rows);
      EXPECT_TRUE(same_bits(all.floats(), alone)) << "hidden " << hidden << " stride " << stride;
    }
  }
}

TEST(CudaRmsNorm, HeadsHaveTheBitsOfRows) {
  CudaContext context;
  for (const int64_t dim : {8, 20, 22, 64, 128, 600}) {
    constexpr int64_t kTokens = 3, kHeads = 9, kAll = kHeads + 3;  // other heads lie beside them, as in qkv
    const std::vector<float> in = random_floats(kTokens * kAll * dim, 6);
    const DeviceArray w(context, DType::kBF16, random_floats(dim, 7));
    const DeviceArray x(context, DType::kF32, in), rows(context, DType::kF32, in);
    head_norm(context, x.view({kTokens, kAll, dim}).slice(1, 2, 2 + kHeads), w.view({dim}), 1e-6F);
    for (int64_t t = 0; t < kTokens; ++t) {
      const TensorView heads = rows.view({kTokens * kAll, dim}).slice(0, t * kAll + 2, t * kAll + 2 + kHeads);
      rms_norm(context, heads, w.view({dim}), 1e-6F, heads);
    }
    EXPECT_EQ(x.download(), rows.download()) << "head size " << dim;
  }
}

TEST(CudaRmsNorm, NoRowsIsNoWork) {
  CudaContext context;
  const DeviceArray x(context, DType::kF32, 4);
  rms_norm(context, x.view({0, 4}), x.view({4}), 1e-6F, x.view({0, 4}));
  context.synchronize();
}

}  // namespace
}  // namespace lockstep::test
