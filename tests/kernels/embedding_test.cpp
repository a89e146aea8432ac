#include "kernels/embedding.h"

#include "tests/kernels/op_support.h"

namespace lockstep::test {
namespace {

class Embedding : public testing::TestWithParam<CpuIsa> {};

TEST_P(Embedding, WidensRowsOfTheShard) {
  const CpuContext context(GetParam());
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (const int64_t hidden : {1, 13, 32, 75}) {
      constexpr int64_t kShard = 6, kBegin = 10;
      TypedArray table(dtype, random_floats(kShard * hidden, 3));
      std::vector<int32_t> ids = {10, 15, 9, 16, 12, 0};
      std::vector<float> out(ids.size() * static_cast<size_t>(hidden), 7.0F);
      embedding(context, TensorView(ids.data(), DType::kI32, {6}), table.view({kShard, hidden}), kBegin,
                TensorView(out.data(), DType::kF32, {6, hidden}));
      for (size_t t = 0; t < ids.size(); ++t) {
        const bool here = ids[t] >= kBegin && ids[t] < kBegin + kShard;
        for (int64_t i = 0; i < hidden; ++i) {
          const float value = out[t * static_cast<size_t>(hidden) + static_cast<size_t>(i)];
          ASSERT_EQ(value, here ? table[(ids[t] - kBegin) * hidden + i] : 0.0F);
          if (!here) {
            ASSERT_TRUE(std::signbit(value)) << "adding +0.0 would turn a -0.0 of another shard into +0.0";
          }
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, Embedding, testing::ValuesIn(isa_levels()),
                         [](const auto& p) { return std::string(name_of(p.param)); });

// Subnormals, infinities and NaN of half precision keep their values at every level.
TEST(HalfConversion, EveryHalfIsExact) {
  for (const CpuIsa isa : isa_levels()) {
    const CpuContext context(isa);
    std::vector<uint16_t> halves(65536);
    for (size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<uint16_t>(i);
    std::vector<int32_t> ids = {0};
    std::vector<float> out(halves.size());
    embedding(context, TensorView(ids.data(), DType::kI32, {1}), TensorView(halves.data(), DType::kF16, {1, 65536}), 0,
              TensorView(out.data(), DType::kF32, {1, 65536}));
    for (size_t i = 0; i < halves.size(); ++i) {
      const float expected = to_float(Half{halves[i]});
      ASSERT_TRUE(out[i] == expected || (std::isnan(out[i]) && std::isnan(expected))) << i;
    }
  }
}

}  // namespace
}  // namespace lockstep::test
