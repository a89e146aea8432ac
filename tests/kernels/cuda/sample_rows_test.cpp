// Tokens chosen on the device against those that the host chooses: the same ones, whatever the row and its settings.
#include "kernels/sample_rows.h"

#include "core/graph.h"
#include "core/philox.h"
#include "tests/kernels/cuda/device_support.h"
#include "tests/kernels/sample_cases.h"

#include <algorithm>
#include <numeric>

namespace lockstep::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/// Memory of device 0 with the bytes of `values`.
template <class T>
Buffer uploaded(CudaContext& context, const std::vector<T>& values) {
  const auto bytes = static_cast<int64_t>(values.size() * sizeof(T));
  Buffer buffer(bytes, Device::cuda(0));
  copy_async(context.stream(), buffer.data(), values.data(), bytes);
  context.synchronize();
  return buffer;
}

int32_t sampled_by_host(std::vector<float> row, const RowSampling& settings) {
  return sample_row(row, {}, params_of(settings), settings.position).value_or(TokenId(-1)).value();
}

struct Batch {
  int64_t vocabulary = 0;
  std::vector<std::vector<float>> rows;
  std::vector<RowSampling> settings;

  void add(std::vector<float> row, const RowSampling& one) {
    rows.push_back(std::move(row));
    settings.push_back(one);
  }
};

/// All rows in one call, `padding` elements apart that are higher than every logit.
void expect_as_on_host(CudaContext& context, const Batch& batch, int64_t padding = 0) {
  const auto num_rows = static_cast<int64_t>(batch.rows.size());
  const int64_t stride = batch.vocabulary + padding;
  std::vector<float> logits(static_cast<size_t>(num_rows * stride), 3.0e38F);
  for (int64_t r = 0; r < num_rows; ++r) {
    const std::vector<float>& row = batch.rows[static_cast<size_t>(r)];
    std::copy(row.begin(), row.end(), logits.begin() + r * stride);
  }
  const DeviceArray on_device(context, DType::kF32, logits);
  const Buffer settings = uploaded(context, batch.settings);
  const DeviceArray tokens(context, DType::kI32, num_rows);
  sample_rows(context,
              TensorView::matrix(on_device.data(), DType::kF32, num_rows, batch.vocabulary, stride, Device::cuda(0)),
              static_cast<const RowSampling*>(settings.data()), tokens.view({num_rows}));
  const std::vector<int32_t> seen = tokens.integers();
  for (size_t r = 0; r < batch.rows.size(); ++r) {
    const RowSampling& one = batch.settings[r];
    EXPECT_EQ(seen[r], sampled_by_host(batch.rows[r], one))
        << batch.vocabulary << " tokens, row " << r << ", temperature " << one.temperature << ", top_k " << one.top_k
        << ", top_p " << one.top_p << ", min_p " << one.min_p;
  }
}

Batch random_batch(int64_t vocabulary, int64_t num_rows, Choices& choices) {
  Batch batch;
  batch.vocabulary = vocabulary;
  for (int64_t r = 0; r < num_rows; ++r) {
    batch.add(random_row(vocabulary, choices), random_settings(vocabulary, choices));
  }
  return batch;
}

TEST(CudaSampleRows, SmallVocabulariesAsOnTheHost) {
  CudaContext context;
  Choices choices(23);
  expect_as_on_host(context, random_batch(1, 200, choices));
  expect_as_on_host(context, random_batch(2, 300, choices), 1);
  expect_as_on_host(context, random_batch(7, 1000, choices), 3);
  expect_as_on_host(context, random_batch(33, 500, choices));
}

TEST(CudaSampleRows, AVocabularyOf512AsOnTheHost) {
  CudaContext context;
  Choices choices(29);
  expect_as_on_host(context, random_batch(512, 1500, choices), 5);
}

TEST(CudaSampleRows, LargeVocabulariesAsOnTheHost) {
  CudaContext context;
  Choices choices(31);
  expect_as_on_host(context, random_batch(5000, 60, choices), 1);
  expect_as_on_host(context, random_batch(32000, 30, choices), 7);
}

// More tokens in one bin than can be ranked at once: they are cut by key until few enough are left.
TEST(CudaSampleRows, CrowdedBinsAsOnTheHost) {
  CudaContext context;
  for (const int64_t vocabulary : {4000, 20000}) {
    Batch batch;
    batch.vocabulary = vocabulary;
    const auto size = static_cast<size_t>(vocabulary);
    RowSampling settings{.temperature = 1.0};
    for (const double top_p : {1.0, 0.4}) {
      for (const int32_t top_k : {0, static_cast<int32_t>(vocabulary * 3 / 4)}) {
        settings.top_p = top_p, settings.top_k = top_k, ++settings.position;
        batch.add(std::vector<float>(size, -2.5F), settings);
        std::vector<float> two_levels(size, 1.0F);  // and a few apart, which make the range of the bins
        for (size_t i = 0; i < size; i += 3) two_levels[i] = std::nextafter(1.0F, 2.0F);
        two_levels[5] = 9.0F, two_levels[8] = -9.0F;
        batch.add(two_levels, settings);
        settings.temperature = 1e9;  // flat, with logits of all sizes in few bins
        std::vector<float> spread = random_floats(vocabulary, 3, 1.0F);
        spread[7] = 1e7F, spread[9] = -1e7F;
        batch.add(spread, settings);
        settings.min_p = 0.97, ++settings.position;
        batch.add(spread, settings);
        settings.min_p = 0.0, settings.temperature = 1.0;
      }
    }
    expect_as_on_host(context, batch);
  }
}

// The bins end where weights do, not earlier: draws beyond all that is likely.
TEST(CudaSampleRows, DrawsFarBelowTheBestAsOnTheHost) {
  CudaContext context;
  Batch batch;
  batch.vocabulary = 5000;
  std::vector<float> row(5000);
  for (size_t i = 0; i < row.size(); ++i) row[i] = 7.0F - 9.0F * (1.0F + static_cast<float>(i) * 1e-5F);
  row[321] = 7.0F;
  RowSampling settings{.temperature = 0.5, .seed = 3};  // others lie 18 to 19 temperatures below, 5e-5 of the mass
  for (; batch.rows.size() < 8; ++settings.position) {
    if (philox_uniform(settings.seed, settings.position) < 1.0 - 4e-5) continue;
    EXPECT_NE(sampled_by_host(row, settings), 321);
    batch.add(row, settings);
  }
  expect_as_on_host(context, batch);
}

TEST(CudaSampleRows, DrawsOfOneRowAtManyPositions) {
  CudaContext context;
  Choices choices(37);
  for (const double min_p : {0.0, 0.02}) {
    Batch batch;
    batch.vocabulary = 600;
    const std::vector<float> row = random_floats(600, 41, 2.0F);
    for (uint64_t position = 0; position < 300; ++position) {
      batch.add(row,
                {.temperature = 1.2, .top_p = 0.98, .min_p = min_p, .seed = 77, .position = position, .top_k = 500});
    }
    expect_as_on_host(context, batch);
  }
}

// A recorded step reads the settings when it is launched: the host has nothing to decide about a row.
TEST(CudaSampleRows, ARecordedCallFollowsTheSettings) {
  CudaContext context;
  const std::vector<float> row = random_floats(100, 2, 1.0F);
  const DeviceArray logits(context, DType::kF32, row), tokens(context, DType::kI32, 1);
  Buffer settings(sizeof(RowSampling), Device::cuda(0));
  Graph graph = Graph::capture(context.stream(), [&] {
    sample_rows(context, logits.view({1, 100}), static_cast<const RowSampling*>(settings.data()), tokens.view({1}));
  });
  for (const double temperature : {0.0, 1.0, 5.0}) {
    const RowSampling one{.temperature = temperature, .seed = 5, .position = 9};
    copy_async(context.stream(), settings.data(), &one, sizeof one);
    graph.launch(context.stream());
    EXPECT_EQ(tokens.integers(), (std::vector<int32_t>{sampled_by_host(row, one)})) << temperature;
  }
}

TEST(CudaSampleRows, NoRows) {
  CudaContext context;
  const DeviceArray logits(context, DType::kF32, 4), tokens(context, DType::kI32, 1);
  sample_rows(context, logits.view({0, 4}), nullptr, tokens.view({0}));
  EXPECT_EQ(tokens.integers(), (std::vector<int32_t>{-1}));  // as it was
}

TEST(CudaSelectBest, IsBetterOfOverTheShards) {
  CudaContext context;
  Choices choices(43);
  for (const int64_t num_rows : {1, 3, 300}) {
    for (const int64_t num_shards : {1, 2, 5}) {
      std::vector<ArgmaxResult> shards;
      for (int64_t i = 0; i < num_rows * num_shards; ++i) {
        const auto token = static_cast<int32_t>(choices.below(50));
        shards.push_back({choices.of({1.0F, 2.0F, -1.0F, -0.0F, 0.0F, kNaN, -kInfinity, kInfinity}), TokenId(token)});
      }
      const Buffer on_device = uploaded(context, shards);
      const DeviceArray tokens(context, DType::kI32, num_rows);
      select_best(context, {static_cast<const ArgmaxResult*>(on_device.data()), shards.size()},
                  tokens.view({num_rows}));
      std::vector<int32_t> expected(static_cast<size_t>(num_rows));
      select_best(CpuContext(), shards, TensorView(expected.data(), DType::kI32, {num_rows}));
      EXPECT_EQ(tokens.integers(), expected) << num_rows << " rows of " << num_shards << " shards";
    }
  }
}

TEST(CudaJoinShards, PutsUnevenShardsSideBySide) {
  CudaContext context;
  Choices choices(47);
  for (const int64_t num_shards : {1, 3, 130}) {
    for (const int64_t width : {1, 5, 1100}) {
      constexpr int64_t kRows = 3;
      std::vector<int64_t> bounds = {0};
      for (int64_t s = 0; s < num_shards; ++s) {
        const auto least = static_cast<uint64_t>(s == 0 ? width : 0);  // one is full, others may be empty
        bounds.push_back(bounds.back() +
                         static_cast<int64_t>(least + choices.below(static_cast<uint64_t>(width) + 1 - least)));
      }
      std::vector<float> shards(static_cast<size_t>(num_shards * kRows * width));
      std::iota(shards.begin(), shards.end(), 0.0F);
      std::vector<float> expected(static_cast<size_t>(kRows * bounds.back()));
      join_shards(CpuContext(), TensorView(shards.data(), DType::kF32, {num_shards, kRows, width}), bounds,
                  TensorView(expected.data(), DType::kF32, {kRows, bounds.back()}));
      const DeviceArray from(context, DType::kF32, shards);
      const DeviceArray out(context, DType::kF32, kRows * bounds.back());
      join_shards(context, from.view({num_shards, kRows, width}), bounds, out.view({kRows, bounds.back()}));
      EXPECT_EQ(out.floats(), expected) << num_shards << " shards of " << width;
    }
  }
}

}  // namespace
}  // namespace lockstep::test
