#include "kernels/embedding.h"

#include "tests/kernels/cuda/device_support.h"

namespace lockstep::test {
namespace {

TEST(CudaEmbedding, WidensRowsOfTheShard) {
  CudaContext context;
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (const int64_t hidden : {1, 13, 32, 75, 1100}) {
      constexpr int64_t kShard = 6, kBegin = 10;
      const TypedArray host(dtype, random_floats(kShard * hidden, 3));
      const DeviceArray table(context, dtype, random_floats(kShard * hidden, 3));
      const std::vector<int32_t> ids = {10, 15, 9, 16, 12, 0, -1};
      const DeviceArray tokens(context, ids), out(context, DType::kF32, 7 * hidden);
      embedding(context, tokens.view({7}), table.view({kShard, hidden}), kBegin, out.view({7, hidden}));
      const std::vector<float> result = out.floats();
      for (size_t t = 0; t < ids.size(); ++t) {
        const bool is_here = ids[t] >= kBegin && ids[t] < kBegin + kShard;
        for (int64_t i = 0; i < hidden; ++i) {
          const float value = result[t * static_cast<size_t>(hidden) + static_cast<size_t>(i)];
          ASSERT_EQ(value, is_here ? host[(ids[t] - kBegin) * hidden + i] : 0.0F);
          if (!is_here) {
            ASSERT_TRUE(std::signbit(value)) << "adding +0.0 would turn a -0.0 of another shard into +0.0";
          }
        }
      }
    }
  }
}

TEST(CudaEmbedding, IdMinusOneIsNoTokenOfTheFirstShard) {
  CudaContext context;
  const DeviceArray table(context, DType::kBF16, random_floats(8, 3)), ids(context, {-1, 1});
  const DeviceArray out(context, DType::kF32, 8);
  embedding(context, ids.view({2}), table.view({2, 4}), 0, out.view({2, 4}));
  const std::vector<float> result = out.floats();
  for (size_t i = 0; i < 4; ++i) EXPECT_TRUE(result[i] == 0.0F && std::signbit(result[i]));
}

}  // namespace
}  // namespace lockstep::test
