// Copies and additions of rows: add_bias, gather_rows, fill_tokens.
#include "kernels/add_bias.h"
#include "kernels/fill_tokens.h"
#include "kernels/gather_rows.h"
#include "tests/kernels/cuda/device_support.h"

#include <numeric>

namespace lockstep::test {
namespace {

TEST(CudaAddBias, AddsToEveryRowAndToNothingElse) {
  CudaContext context;
  for (const int64_t columns : {1, 7, 33, 64, 1100}) {
    for (const int64_t stride : {columns + 2, columns + 4}) {
      constexpr int64_t kRows = 3;
      const std::vector<float> before = random_floats(kRows * stride, 3, 2.0F), bias = random_floats(columns, 4, 2.0F);
      const DeviceArray x(context, DType::kF32, before), b(context, DType::kF32, bias);
      add_bias(context, TensorView::matrix(x.data(), DType::kF32, kRows, columns, stride, Device::cuda(0)),
               b.view({columns}));
      const std::vector<float> after = x.floats();
      for (int64_t i = 0; i < kRows * stride; ++i) {
        const int64_t column = i % stride;
        const auto at = static_cast<size_t>(i);
        ASSERT_EQ(after[at], column < columns ? before[at] + bias[static_cast<size_t>(column)] : before[at]);
      }
    }
  }
}

// Row sizes and strides that allow units of 16, 8, 4 and 2 bytes.
TEST(CudaGatherRows, TakesRowsInTheOrderAsked) {
  CudaContext context;
  const std::vector<int32_t> wanted = {3, 0, 0, 2, 3};
  const DeviceArray rows(context, wanted);
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (const int64_t columns : {1, 2, 3, 4, 6, 8, 20, 513, 2056}) {
      for (const int64_t gap : {0, 1, 2, 8}) {
        constexpr int64_t kRows = 4;
        const int64_t stride = columns + gap;
        const std::vector<float> values = random_floats(kRows * stride, 8);
        const TypedArray host(dtype, values);
        const DeviceArray in(context, dtype, values), out(context, dtype, 5 * columns);
        gather_rows(context, TensorView::matrix(in.data(), dtype, kRows, columns, stride, Device::cuda(0)),
                    rows.view({5}), out.view({5, columns}));
        const std::vector<float> result = out.floats();
        for (int64_t i = 0; i < 5 * columns; ++i) {
          ASSERT_EQ(result[static_cast<size_t>(i)],
                    host[wanted[static_cast<size_t>(i / columns)] * stride + i % columns])
              << columns << " columns " << stride << " apart";
        }
      }
    }
  }
}

TEST(CudaGatherRows, WritesNothingBetweenTheRows) {
  CudaContext context;
  const DeviceArray in(context, DType::kF32, random_floats(8, 1)), rows(context, {1, 0});
  const DeviceArray out(context, DType::kF32, 14);
  gather_rows(context, in.view({2, 4}), rows.view({2}),
              TensorView::matrix(out.data(), DType::kF32, 2, 4, 7, Device::cuda(0)));
  const std::vector<float> from = in.floats(), to = out.floats();
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(to[i], from[4 + i]);
    EXPECT_EQ(to[7 + i], from[i]);
  }
  for (const size_t gap : {4, 5, 6, 11, 12, 13}) EXPECT_TRUE(std::isnan(to[gap]));
}

TEST(CudaFillTokens, TakesOwnOrSampledTokens) {
  CudaContext context;
  constexpr int64_t kTokens = 1000;
  std::vector<int32_t> ids(kTokens), sources(kTokens), sampled(30), expected(kTokens);
  std::iota(ids.begin(), ids.end(), 5000);
  std::iota(sampled.begin(), sampled.end(), 100);
  for (size_t t = 0; t < sources.size(); ++t) {
    sources[t] = t % 3 == 0 ? static_cast<int32_t>(t * 7 % sampled.size()) : -1;
    expected[t] = sources[t] < 0 ? ids[t] : sampled[static_cast<size_t>(sources[t])];
  }
  const DeviceArray own(context, ids), from(context, sources), last(context, sampled);
  const DeviceArray out(context, DType::kI32, kTokens);
  fill_tokens(context, own.view({kTokens}), from.view({kTokens}), last.view({30}), out.view({kTokens}));
  EXPECT_EQ(out.integers(), expected);
  fill_tokens(context, own.view({kTokens}), from.view({kTokens}), last.view({30}), own.view({kTokens}));
  EXPECT_EQ(own.integers(), expected) << "out may alias ids";
}

}  // namespace
}  // namespace lockstep::test
