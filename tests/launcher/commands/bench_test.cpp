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
