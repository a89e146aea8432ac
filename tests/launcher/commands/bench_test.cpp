// What the benchmarks compute with: lists, spreads, the least that a step costs, times, and batches of random prompts.
#include "core/checkpoint/synthetic.h"
#include "core/error.h"
#include "launcher/commands/bench/costs.h"
#include "launcher/commands/bench/device_data.h"
#include "launcher/commands/bench/kernel_table.h"
#include "launcher/commands/bench/paged_batch.h"
#include "launcher/commands/bench/random_batch.h"
#include "launcher/commands/bench/settings.h"
#include "launcher/commands/bench/statistics.h"
#include "launcher/commands/bench/timer.h"
#include "tests/support/expect_throw.h"

#include <cmath>
#include <gtest/gtest.h>
#include <set>
#include <thread>

namespace lockstep::bench {
namespace {

using testing_support::expect_throw;

ModelCost cost_of(const char* shape, int32_t tp = 1) {
  const ModelConfig config = config_of_shape(shape);
  return {config, shard_of(config, tp, Rank(0)), DType::kBF16};
}

struct HostContext {
  ThreadPool threads{1};
  Stream stream = Stream::inline_cpu();
  OpContext context;
  HostContext() { context.threads = &threads, context.stream = &stream; }
};

TEST(BenchSettings, ListsAreNumbers) {
  EXPECT_EQ(parse_list("batch", "1,8,64"), (std::vector<int64_t>{1, 8, 64}));
  for (const char* wrong : {"", "1,,2", "0", "-1", "a", "1x", "99999999999"})
    expect_throw<ConfigError>([&] { parse_list("batch", wrong); }, {"batch"});
}

TEST(BenchSettings, OperationsAreKnown) {
  EXPECT_NO_THROW(require_operations("linear,argmax"));
  expect_throw<ConfigError>([] { require_operations("linear,liner"); }, {"liner", "paged_attention"});
}

TEST(BenchStatistics, MiddleAndRange) {
  const Spread spread = spread_of({3.0, 1.0, 2.0});
  EXPECT_EQ(spread.median, 2.0);
  EXPECT_EQ(spread.range(1), "1.0..3.0");
  const Spread rate = spread.rate(6.0);
  EXPECT_EQ(rate.low, 2.0);
  EXPECT_EQ(rate.high, 6.0);
  EXPECT_THROW(spread_of({}), Error);
}

// Llama 3 8B: 8,030,261,248 parameters, of which the embedding's 128256 x 4096 and 65 norms of 4096 are not read as
// weights of products; 32 layers x 8 heads x 128 x 2 numbers of 2 bytes a token.
TEST(BenchCosts, Llama8BMovesWhatItsSizeSays) {
  const ModelCost cost = cost_of("llama-3-8b");
  EXPECT_EQ(cost.weight_bytes(), 2.0 * (8030261248.0 - 128256.0 * 4096.0 - 65.0 * 4096.0));
  EXPECT_EQ(cost.kv_bytes_per_token(), 131072.0);
  const Cost step = cost.decode(64, 4096);
  EXPECT_EQ(step.bytes, cost.weight_bytes() + 64.0 * 4096.0 * 131072.0);
  EXPECT_EQ(step.flops, 64.0 * (cost.weight_bytes() + 4.0 * 32 * 128 * 4096 * 32));
}

TEST(BenchCosts, PromptIsTheSumOfItsTokens) {
  const ModelCost cost = cost_of("tiny");
  double attention = 0.0;
  for (int token = 1; token <= 10; ++token) attention += cost.decode(1, token).flops - cost.decode(1, 0).flops;
  const double products = cost.decode(1, 0).flops, head = 2.0 * 512 * 64;
  EXPECT_DOUBLE_EQ(cost.prefill(1, 10, 1).flops, 10 * (products - head) + head + attention);
}

TEST(BenchCosts, ARankHasItsPart) {
  EXPECT_EQ(cost_of("llama-3-70b", 8).weight_bytes(), cost_of("llama-3-70b").weight_bytes() / 8);
  EXPECT_EQ(cost_of("llama-3-70b", 8).kv_bytes_per_token(), cost_of("llama-3-70b").kv_bytes_per_token() / 8);
}

TEST(BenchCosts, WindowsBoundWhatIsRead) {
  ModelConfig config = config_of_shape("tiny");
  config.architecture = Architecture::kMistral;
  config.sliding_window = 8;
  const ModelCost cost(config, shard_of(config, 1, Rank(0)), DType::kBF16);
  EXPECT_EQ(cost.kv_bytes_read(100), cost.kv_bytes_read(8));
  EXPECT_LT(cost.kv_bytes_read(4), cost.kv_bytes_read(8));
}

// Llama 3 8B: a head's page of 64 tokens x 128 is 32768 bytes in BF16.
TEST(BenchCosts, CodedPagesAndListsAreReadAsTheyAre) {
  ModelCost cost = cost_of("llama-3-8b");
  KvLayout layout{64, 8, 32, 128, DType::kBF16};
  cost.set_pages(layout, std::nullopt);
  EXPECT_EQ(cost.kv_bytes_read(4096), 4096.0 * 131072.0);
  layout.format = KvFormat::kKv8;
  cost.set_pages(layout, std::nullopt);
  const double page = static_cast<double>(layout.k_bytes(0) + layout.v_bytes()), open = 32 * 512.0;
  EXPECT_EQ(page, 64 * 128 * 2 + 128 * 4 + 64 * 2);
  EXPECT_EQ(cost.kv_bytes_read(4096), 32 * 8 * (open + (4096.0 - 32.0) / 64.0 * page));
  // 64 pages: two layers read all, the others 16 of them and a summary of each but the own.
  layout.format = KvFormat::kFull;
  cost.set_pages(layout, SparseRule{.ratio = 0.25, .dense_below = 4096});
  const double all = 64 * 32768.0, some = 16 * 32768.0 + 63 * 384.0;
  EXPECT_EQ(cost.kv_bytes_read(4096), 8 * (2 * all + 30 * some));
  EXPECT_EQ(cost.decode(1, 4096).flops - cost.decode(1, 0).flops, 4.0 * 32 * 128 * (2 * 4096 + 30 * 1024));
  EXPECT_EQ(cost.kv_bytes_read(4032), 4032.0 * 131072.0) << "below dense_below";
}

TEST(BenchPagedBatch, BytesOfAttentionAreThoseOfThePagesRead) {
  KvLayout layout{64, 8, 1, 128, DType::kBF16};
  EXPECT_EQ(attended_bytes(layout, 99, 100), 100 * 512.0);
  EXPECT_EQ(listed_bytes(layout, 3, 1000), 2 * 32768.0 + 40 * 512.0);
  layout.format = KvFormat::kKv8;
  const double page = 16384 + 512 + 128;
  EXPECT_EQ(attended_bytes(layout, 255, 256), 3 * page + 64 * 512.0) << "the own page is read as it was written";
  EXPECT_EQ(attended_bytes(layout, 0, 256), 3 * page + 256 * 512.0);
  EXPECT_EQ(listed_bytes(layout, 3, 256), 2 * page + 64 * 512.0);
  layout.format = KvFormat::kKv4;
  const double small = static_cast<double>(layout.k_code_bytes(4) + layout.v_code_bytes(4));
  EXPECT_LT(small, 0.6 * page);
  EXPECT_EQ(attended_bytes(layout, 255, 256), page + 2 * small + 64 * 512.0) << "the first page keeps 8 bits";
}

// Attention to sealed random pages comes to numbers, whatever the format, and lists leave out what the rule says.
TEST(BenchPagedBatch, PagesAreSealedInTheirFormat) {
  HostContext host;
  for (const KvFormat format : {KvFormat::kFull, KvFormat::kKv8, KvFormat::kK8v4, KvFormat::kKv4}) {
    SCOPED_TRACE(name_of(format));
    KvLayout layout{16, 2, 2, 64, DType::kBF16, format};
    layout.has_summaries = !layout.is_coded();
    const PagedBatch batch(host.context, layout, 3, 1, 200, /*has_table=*/true);
    EXPECT_EQ(batch.filled().count, 3 * 13);
    const DeviceTensor q = random_tensor(host.context, DType::kF32, {3, 4, 64});
    const DeviceTensor out(host.context, DType::kF32, {3, 256});
    std::vector<int32_t> pages(static_cast<size_t>(3 * 2 * 8)), counts(6);
    SelectionTotals totals;
    const SparseRule rule{.ratio = 0.1, .dense_below = 0, .dense_layers = 0};
    for (int64_t layer = 0; layer < 2; ++layer) {
      select_pages(host.context, q.view, batch.rows(), layer, batch.pages(), 0.125F, 0, rule,
                   {8, pages.data(), counts.data(), &totals});
      EXPECT_EQ(counts, std::vector<int32_t>(6, 8));
      const PageSelection selection{8, pages.data(), counts.data()};
      for (const PageSelection* listed : {static_cast<const PageSelection*>(nullptr), &selection}) {
        paged_attention(host.context, q.view, batch.rows(), layer, batch.pages(), 0.125F, 0, out.view, listed);
        double squares = 0.0;
        for (int64_t i = 0; i < 3 * 256; ++i) squares += std::pow(out.view.as<float>()[i], 2);
        EXPECT_GT(squares, 1.0);  // also false for NaN
        EXPECT_LT(squares, 3 * 256);
      }
    }
  }
}

TEST(BenchCosts, TheSlowerLimitCounts) {
  MachineLimits limits;
  limits.bytes_per_second = 10.0;
  limits.flops_per_second = 100.0;
  EXPECT_EQ((Cost{20.0, 100.0}.seconds_at_least(limits)), 2.0);
  EXPECT_EQ((Cost{20.0, 300.0}.seconds_at_least(limits)), 3.0);
}

TEST(BenchRandomBatch, PromptsStartAsThePlannerComputesThem) {
  EXPECT_EQ(start_steps(3, 64, 256, 64), (std::vector<int64_t>{0, 0, 0}));
  EXPECT_EQ(start_steps(2, 200, 128, 64), (std::vector<int64_t>{1, 4}));  // 128; 72 (56: no page); 64; 64; 64; 8
  expect_throw<ConfigError>([] { start_steps(65, 1, 128, 64); }, {"129"});
}

TEST(BenchTimer, MeasuresOneCall) {
  HostContext host;
  std::set<int64_t> calls;
  const Spread seconds = seconds_per_call(host.context, {.repeats = 3, .least_seconds = 0.02}, [&](int64_t i) {
    calls.insert(i);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  });
  EXPECT_GE(seconds.low, 0.002);
  EXPECT_LT(seconds.low, 0.02);  // not the sum of the calls
  EXPECT_GE(calls.size(), 4U);
}

TEST(BenchTable, SmallThingsTakeMoreTurns) {
  HostContext host;
  const MachineLimits limits;
  const KernelTable table(host.context, limits, 1, 100, "linear");
  EXPECT_EQ(table.rotation(50.0), 2);
  EXPECT_EQ(table.rotation(1000.0), 1);
  EXPECT_EQ(table.rotation(0.01), 64);
  EXPECT_TRUE(table.wants("linear"));
  EXPECT_FALSE(table.wants("argmax"));
}

TEST(BenchTable, ShrinksUntilItFits) {
  std::vector<int64_t> tried;
  shrink_to_fit("batch", 8, [&](int64_t size) {
    tried.push_back(size);
    if (size > 2) Buffer too_large(int64_t{1} << 60);
  });
  EXPECT_EQ(tried, (std::vector<int64_t>{8, 4, 2}));
}

TEST(BenchPagedBatch, EveryRowHasPagesOfItsOwn) {
  HostContext host;
  const KvLayout layout{16, 2, 1, 8, DType::kBF16};
  const PagedBatch batch(host.context, layout, 3, 5, 40);
  const RaggedRows& rows = batch.rows();
  EXPECT_EQ(rows.num_tokens, 15);
  EXPECT_EQ(rows.page_begin[3], 9);
  EXPECT_EQ(rows.first_position[2], 35);
  EXPECT_EQ(batch.positions().as<int32_t>()[14], 39);
  EXPECT_EQ(rows.token_row[14], 2);
  const std::set<int32_t> slots(rows.slots, rows.slots + 9);
  EXPECT_EQ(slots.size(), 9U);
  EXPECT_EQ(*slots.rbegin(), 8);
}

TEST(BenchDeviceData, ValuesHaveTheDeviationAskedFor) {
  const HostTensor tensor = random_on_host(DType::kF32, {1000, 10}, 2.0F);
  double squares = 0.0;
  for (int64_t i = 0; i < 10000; ++i) squares += tensor.view.as<float>()[i] * tensor.view.as<float>()[i];
  EXPECT_NEAR(squares / 10000.0, 4.0, 0.2);
}

}  // namespace
}  // namespace lockstep::bench
