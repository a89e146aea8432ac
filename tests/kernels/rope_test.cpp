#include "kernels/rope.h"

#include "tests/kernels/op_support.h"

namespace lockstep::test {
namespace {

struct TableCase {
  const char* name;
  double theta;
  RopeScaling scaling;
  std::vector<double> inverse_frequencies;
  double attention_factor;
};

RopeScaling linear(double factor) {
  RopeScaling scaling;
  scaling.kind = RopeScalingKind::kLinear;
  scaling.factor = factor;
  return scaling;
}
RopeScaling llama3(double factor, int64_t original) {
  RopeScaling scaling;
  scaling.kind = RopeScalingKind::kLlama3;
  scaling.factor = factor;
  scaling.original_max_positions = original;
  return scaling;
}
RopeScaling yarn(double factor, int64_t original) {
  RopeScaling scaling;
  scaling.kind = RopeScalingKind::kYarn;
  scaling.factor = factor;
  scaling.original_max_positions = original;
  return scaling;
}

// Expected numbers: ROPE_INIT_FUNCTIONS of transformers 5.23 (F32) on a LlamaConfig with these settings; the head size
// is twice the number of frequencies.
std::vector<TableCase> table_cases() {
  RopeScaling exact = yarn(32.0, 4096), mscale = yarn(40.0, 4096), given = yarn(4.0, 32768);
  exact.truncate = false;
  mscale.mscale = 1.0;
  mscale.mscale_all_dim = 0.8;
  given.attention_factor = 1.25;
  return {
      {"default", 10000.0, {}, {1.0, 0.1, 0.01, 0.001}, 1.0},
      {"linear",
       10000.0,
       linear(4.0),
       {0.25, 0.079056941, 0.0250000004, 0.00790569466, 0.00249999994, 0.000790569466, 0.000250000012, 7.90569466e-05},
       1.0},
      {"llama3",
       500000.0,
       llama3(8.0, 8192),
       {1.0, 0.440366626, 0.193922758, 0.0853971019, 0.0376060307, 0.0165604409, 0.00729266508, 0.00321144611,
        0.000524846022, 7.78465546e-05, 3.42810235e-05, 1.50962178e-05, 6.64786967e-06, 2.92749974e-06, 1.28917316e-06,
        5.6770881e-07},
       1.0},
      {"yarn",
       1000000.0,
       yarn(4.0, 32768),
       {1.0, 0.421696514, 0.177827939, 0.0749894157, 0.0316227786, 0.0133352149, 0.00477990136, 0.00165996165,
        0.000549999997, 0.000168678584, 4.44569851e-05, 1.87473561e-05, 7.90569356e-06, 3.33380353e-06, 1.40585337e-06,
        5.92843435e-07},
       1.138629436111989},
      {"yarn_not_truncated",
       150000.0,
       exact,
       {1.0, 0.47478205, 0.225418001, 0.107024416, 0.0508132726, 0.0193350017, 0.00679495931, 0.00209379266,
        0.000456483918, 3.83088118e-05, 1.8188337e-05, 8.63549576e-06, 4.09997847e-06, 1.94659629e-06, 9.24208962e-07,
        4.38797855e-07},
       1.3465735902799727},
      {"yarn_mscale",
       10000.0,
       mscale,
       {1.0, 0.316227764, 0.100000001, 0.0239147246, 0.00512499968, 0.000849862176, 2.49999994e-05, 7.90569447e-06},
       1.0569662567531275},
      {"yarn_attention_factor",
       10000.0,
       given,
       {1.0, 0.316227764, 0.100000001, 0.0316227786, 0.00999999978, 0.00256935088, 0.000625000044, 0.000138349656},
       1.25},
  };
}

TEST(RopeTable, FrequenciesAreThoseOfTransformers) {
  for (const TableCase& c : table_cases()) {
    ModelConfig config;
    config.head_dim = 2 * static_cast<int64_t>(c.inverse_frequencies.size());
    config.rope_theta = c.theta;
    config.rope_scaling = c.scaling;
    const RopeTable table = make_rope_table(CpuContext(), config, 3);
    const int64_t half = config.head_dim / 2;
    for (int64_t position = 0; position < 3; ++position) {
      for (int64_t i = 0; i < half; ++i) {
        const double angle = static_cast<double>(position) * c.inverse_frequencies[static_cast<size_t>(i)];
        const double sine = table.sin.as<float>()[position * half + i],
                     cosine = table.cos.as<float>()[position * half + i];
        // Sines of small angles show a frequency's relative error; transformers computes in F32.
        EXPECT_NEAR(sine, std::sin(angle) * c.attention_factor, 1e-6 * angle) << c.name << " " << i;
        EXPECT_NEAR(cosine, std::cos(angle) * c.attention_factor, 1e-6) << c.name << " " << i;
      }
    }
  }
}

TEST(RopeTable, FarPositionsAreComputedInDouble) {
  ModelConfig config;
  config.head_dim = 8;
  constexpr int64_t kPositions = 100001;
  const RopeTable table = make_rope_table(CpuContext(), config, kPositions);
  for (int64_t i = 0; i < 4; ++i) {
    const double angle = 100000.0 * std::pow(10000.0, -static_cast<double>(i) / 4.0);
    EXPECT_NEAR(table.cos.as<float>()[100000 * 4 + i], std::cos(angle), 1e-7);
  }
}

class Rope : public testing::TestWithParam<CpuIsa> {};

TEST_P(Rope, RotatesPairsOfHalves) {
  const CpuContext context(GetParam());
  for (const int64_t head_dim : {2, 8, 64, 80, 128}) {
    constexpr int64_t kTokens = 4, kHeads = 3;
    ModelConfig config;
    config.head_dim = head_dim;
    const RopeTable table = make_rope_table(context, config, 50);
    const int64_t stride = kHeads * head_dim + 5;  // queries and keys lie side by side in one matrix
    const std::vector<float> before = random_floats(kTokens * stride, 6);
    std::vector<float> x = before;
    const std::vector<int32_t> positions = {0, 1, 49, 7};
    for (int64_t t = 0; t < kTokens; ++t) {
      rope(context, TensorView(&x[static_cast<size_t>(t * stride)], DType::kF32, {1, kHeads, head_dim}),
           ConstTensorView(&positions[static_cast<size_t>(t)], DType::kI32, {1}), table);
    }
    for (int64_t t = 0; t < kTokens; ++t) {
      for (int64_t h = 0; h < kHeads; ++h) {
        for (int64_t i = 0; i < head_dim / 2; ++i) {
          const double angle = positions[static_cast<size_t>(t)] *
                               std::pow(10000.0, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim));
          const size_t a = static_cast<size_t>(t * stride + h * head_dim + i);
          const size_t b = a + static_cast<size_t>(head_dim / 2);
          ASSERT_NEAR(x[a], before[a] * std::cos(angle) - before[b] * std::sin(angle), 1e-6);
          ASSERT_NEAR(x[b], before[b] * std::cos(angle) + before[a] * std::sin(angle), 1e-6);
        }
      }
      for (int64_t i = kHeads * head_dim; i < stride; ++i) {
        ASSERT_EQ(x[static_cast<size_t>(t * stride + i)], before[static_cast<size_t>(t * stride + i)]);
      }
    }
  }
}

TEST_P(Rope, TokensDoNotDependOnTheBatch) {
  constexpr int64_t kTokens = 30, kHeads = 2, kDim = 22;
  ModelConfig config;
  config.head_dim = kDim;
  const CpuContext one(GetParam(), 1), three(GetParam(), 3);
  const RopeTable table = make_rope_table(one, config, 100);
  std::vector<float> batch = random_floats(kTokens * kHeads * kDim, 8), single = batch;
  std::vector<int32_t> positions(kTokens);
  for (size_t t = 0; t < positions.size(); ++t) positions[t] = static_cast<int32_t>(t * 3);
  rope(three, TensorView(batch.data(), DType::kF32, {kTokens, kHeads, kDim}),
       TensorView(positions.data(), DType::kI32, {kTokens}), table);
  for (int64_t t = 0; t < kTokens; ++t) {
    rope(one, TensorView(&single[static_cast<size_t>(t * kHeads * kDim)], DType::kF32, {1, kHeads, kDim}),
         TensorView(&positions[static_cast<size_t>(t)], DType::kI32, {1}), table);
  }
  EXPECT_TRUE(same_bits(batch, single));
}

TEST_P(Rope, FusedWithTheWriteEqualsSeparateSteps) {
  constexpr int64_t kTokens = 5, kDim = 12, kHeads = 3, kKvHeads = 2, kAll = kHeads + 2 * kKvHeads;
  const CpuContext context(GetParam());
  ModelConfig config;
  config.head_dim = kDim;
  const RopeTable table = make_rope_table(context, config, 100);
  const KvLayout layout{4, kKvHeads, 2, kDim, DType::kBF16};
  const std::vector<int32_t> token_begin = {0, kTokens}, first = {2}, page_begin = {0, 2}, slots = {1, 0};
  std::vector<int32_t> positions = {2, 3, 4, 5, 6};
  const RaggedRows rows{1, kTokens, token_begin.data(), first.data(), page_begin.data(), slots.data()};
  const TensorView at(positions.data(), DType::kI32, {kTokens});
  const auto run = [&](std::vector<float>& qkv, bool is_fused) {
    const TensorView all(qkv.data(), DType::kF32, {kTokens, kAll, kDim});
    const TensorView q = all.slice(1, 0, kHeads), k = all.slice(1, kHeads, kHeads + kKvHeads);
    const TensorView v = all.slice(1, kHeads + kKvHeads, kAll);
    std::vector<std::byte> pool(static_cast<size_t>(2 * layout.page_bytes()), std::byte{0x55});
    if (is_fused) {
      rope_and_write_kv(context, q, k, v, at, table, rows, 1, {pool.data(), layout});
    } else {
      rope(context, q, at, table);
      rope(context, k, at, table);
      write_kv(context, k, v, rows, 1, {pool.data(), layout});
    }
    return pool;
  };
  std::vector<float> qkv = random_floats(kTokens * kAll * kDim, 9), separate = qkv;
  EXPECT_EQ(run(qkv, true), run(separate, false));
  EXPECT_TRUE(same_bits(qkv, separate));
}

INSTANTIATE_TEST_SUITE_P(Levels, Rope, testing::ValuesIn(isa_levels()),
                         [](const auto& p) { return std::string(name_of(p.param)); });

TEST(RopeErrors, PositionOutsideTheTable) {
  const CpuContext context;
  ModelConfig config;
  config.head_dim = 4;
  const RopeTable table = make_rope_table(context, config, 10);
  std::vector<float> x(4);
  std::vector<int32_t> position = {10};
  EXPECT_THROW(
      rope(context, TensorView(x.data(), DType::kF32, {1, 1, 4}), TensorView(position.data(), DType::kI32, {1}), table),
      ShapeError);
  config.head_dim = 5;
  EXPECT_THROW(make_rope_table(context, config, 10), ShapeError);
}

}  // namespace
}  // namespace lockstep::test
