#include "kernels/sample_rows.h"

#include "core/error.h"
#include "kernels/sample_weights.h"
#include "tests/kernels/op_support.h"
#include "tests/kernels/sample_cases.h"

#include <algorithm>
#include <numeric>

namespace lockstep::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

int32_t sampled(std::vector<float> row, const RowSampling& settings) {
  return sample_row(row, {}, params_of(settings), settings.position).value_or(TokenId(-1)).value();
}

/// The same choice written down plainly: a full sort, every step over the whole list.
int32_t plainly_sampled(const std::vector<float>& row, const RowSampling& settings) {
  struct One {
    float logit;
    int32_t token;
    uint64_t weight;
  };
  std::vector<One> order;
  const bool is_infinite = std::find(row.begin(), row.end(), kInfinity) != row.end();
  for (size_t i = 0; i < row.size(); ++i) {
    if (std::isnan(row[i]) || row[i] == -kInfinity || (is_infinite && row[i] != kInfinity)) continue;
    order.push_back({is_infinite ? 0.0F : row[i], static_cast<int32_t>(i), 0});
  }
  if (order.empty()) return -1;
  std::stable_sort(order.begin(), order.end(), [](const One& a, const One& b) { return a.logit > b.logit; });
  if (settings.temperature == 0.0) return order[0].token;
  const float best = order[0].logit;
  for (One& one : order) one.weight = sample_weight(one.logit, best, settings.temperature);
  const auto mass_of = [](const std::vector<One>& some) {
    return std::accumulate(some.begin(), some.end(), uint64_t{0},
                           [](uint64_t sum, const One& one) { return sum + one.weight; });
  };
  if (settings.top_k > 0) order.resize(std::min(order.size(), static_cast<size_t>(settings.top_k)));
  const uint64_t enough = share_of(mass_of(order), settings.top_p), least = share_of(kFullWeight, settings.min_p);
  uint64_t mass = 0;
  std::vector<One> kept;
  for (const One& one : order) {
    if ((!kept.empty() && mass >= enough) || one.weight < least) break;
    mass += one.weight;
    kept.push_back(one);
  }
  uint64_t left = draw_target(mass, settings.seed, settings.position);
  for (const One& one : kept) {
    if (left < one.weight) return one.token;
    left -= one.weight;
  }
  return -2;
}

TEST(SampleRows, OneRowIsWhatAPlainFullSortGives) {
  Choices choices(17);
  for (const int64_t vocabulary : {1, 2, 7, 64, 300, 2000}) {
    for (int i = 0; i < 1500; ++i) {
      const std::vector<float> row = random_row(vocabulary, choices);
      const RowSampling settings = random_settings(vocabulary, choices);
      ASSERT_EQ(sampled(row, settings), plainly_sampled(row, settings))
          << vocabulary << " tokens, row " << i << ", temperature " << settings.temperature << ", top_k "
          << settings.top_k << ", top_p " << settings.top_p << ", min_p " << settings.min_p;
    }
  }
}

TEST(SampleRows, RowsAreSampledEachByItself) {
  Choices choices(5);
  for (const int64_t vocabulary : {1, 7, 512}) {
    constexpr int64_t kRows = 40;
    const int64_t stride = vocabulary + 3;
    std::vector<float> logits(static_cast<size_t>(kRows * stride), 1e30F);  // between rows: the best, if looked at
    std::vector<RowSampling> settings;
    std::vector<int32_t> tokens(kRows, -7), expected;
    for (int64_t r = 0; r < kRows; ++r) {
      const std::vector<float> row = random_row(vocabulary, choices);
      std::copy(row.begin(), row.end(), logits.begin() + r * stride);
      settings.push_back(random_settings(vocabulary, choices));
      expected.push_back(sampled(row, settings.back()));
    }
    const std::vector<float> before = logits;
    sample_rows(CpuContext(), TensorView::matrix(logits.data(), DType::kF32, kRows, vocabulary, stride),
                settings.data(), TensorView(tokens.data(), DType::kI32, {kRows}));
    EXPECT_EQ(tokens, expected);
    EXPECT_EQ(std::memcmp(logits.data(), before.data(), logits.size() * sizeof(float)), 0) << "logits were changed";
  }
}

TEST(SampleRows, RefusesWhatDoesNotFit) {
  const CpuContext context;
  std::vector<float> logits(8);
  std::vector<int32_t> tokens(2);
  const std::vector<RowSampling> settings(2);
  const TensorView out(tokens.data(), DType::kI32, {2});
  const auto of = [&](Shape shape, DType dtype = DType::kF32) { return TensorView(logits.data(), dtype, shape); };
  EXPECT_THROW(sample_rows(context, of({3, 2}), settings.data(), out), ShapeError);
  EXPECT_THROW(sample_rows(context, of({2, 0}), settings.data(), out), ShapeError);
  EXPECT_THROW(sample_rows(context, of({8}), settings.data(), out), ShapeError);
  EXPECT_THROW(sample_rows(context, of({2, kMaxSampledVocabulary + 1}), settings.data(), out), ShapeError);
  EXPECT_THROW(sample_rows(context, of({2, 4}, DType::kBF16), settings.data(), out), DTypeError);
  EXPECT_THROW(sample_rows(context, of({2, 4}), nullptr, out), ShapeError);
  EXPECT_THROW(sample_rows(context, of({2, 4}), settings.data(), of({2})), DTypeError);
  sample_rows(context, of({0, 4}), nullptr, TensorView(tokens.data(), DType::kI32, {0}));
}

TEST(SampleRows, OnlyTheRowItselfCanBeAskedOfTheDevice) {
  SamplingParams params;
  params.temperature = 0.7, params.top_k = 5, params.top_p = 0.9, params.min_p = 0.1, params.seed = 3;
  params.end_tokens = {TokenId(1)};
  EXPECT_TRUE(can_sample_on_device(params));
  const auto with = [&](void (*set)(SamplingParams&)) {
    SamplingParams other = params;
    set(other);
    return can_sample_on_device(other);
  };
  EXPECT_FALSE(with([](SamplingParams& p) { p.repetition_penalty = 1.1; }));
  EXPECT_FALSE(with([](SamplingParams& p) { p.presence_penalty = 0.1; }));
  EXPECT_FALSE(with([](SamplingParams& p) { p.frequency_penalty = -0.1; }));
  EXPECT_FALSE(with([](SamplingParams& p) { p.logit_bias = {{TokenId(0), 1.0F}}; }));
  EXPECT_FALSE(with([](SamplingParams& p) { p.min_tokens = 1; }));
  EXPECT_FALSE(with([](SamplingParams& p) { p.logprobs = 0; }));
}

TEST(SelectBest, IsBetterOfOverTheShards) {
  const CpuContext context;
  const std::vector<ArgmaxResult> shards = {
      {1.0F, TokenId(4)}, {kNaN, TokenId(0)},  {-kInfinity, TokenId(2)}, {5.0F, TokenId(3)}, {kInfinity, TokenId(1)},
      {1.0F, TokenId(3)}, {-9.0F, TokenId(8)}, {kNaN, TokenId(1)},       {4.0F, TokenId(1)}, {2.0F, TokenId(0)},
  };
  std::vector<int32_t> tokens(5, -7);
  select_best(context, shards, TensorView(tokens.data(), DType::kI32, {5}));
  EXPECT_EQ(tokens, (std::vector<int32_t>{3, 8, -1, 3, -1}));
  EXPECT_THROW(select_best(context, shards, TensorView(tokens.data(), DType::kI32, {3})), ShapeError);
  EXPECT_THROW(select_best(context, {}, TensorView(tokens.data(), DType::kI32, {3})), ShapeError);
  select_best(context, {}, TensorView(tokens.data(), DType::kI32, {0}));
}

TEST(JoinShards, PutsUnevenShardsSideBySide) {
  const CpuContext context;
  std::vector<float> shards(3 * 2 * 4), out(2 * 7, -1.0F);
  std::iota(shards.begin(), shards.end(), 0.0F);  // shard 8, row 4, column 1
  const auto view = [](std::vector<float>& data, Shape shape) { return TensorView(data.data(), DType::kF32, shape); };
  const std::vector<int64_t> bounds = {0, 4, 4, 7};
  join_shards(context, view(shards, {3, 2, 4}), bounds, view(out, {2, 7}));
  EXPECT_EQ(out, (std::vector<float>{0, 1, 2, 3, 16, 17, 18, 4, 5, 6, 7, 20, 21, 22}));

  const auto refuse = [&](const std::vector<int64_t>& some, Shape shape) {
    EXPECT_THROW(join_shards(context, view(shards, {3, 2, 4}), some, view(out, shape)), ShapeError);
  };
  refuse({0, 4, 7}, {2, 7});
  refuse({1, 4, 4, 7}, {2, 7});
  refuse({0, 4, 3, 7}, {2, 7});
  refuse({0, 5, 5, 7}, {2, 7});
  refuse({0, 4, 4, 7}, {2, 6});
}

}  // namespace
}  // namespace lockstep::test
