// The guard of 4-bit keys, from the weights to the sizes of a job: which layers get wider keys, and that whatever was
// cut from bytes takes no more of them afterwards.
#include "cache/transfer/host_pool.h"
#include "dist/model/key_calibration.h"
#include "tests/launcher/engine_run.h"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

using testing_support::EngineJob;
using testing_support::EngineRun;
using testing_support::run_engine;

const std::filesystem::path kRecall = std::filesystem::path(LOCKSTEP_SOURCE_DIR) / "examples/models/recall";

EngineRun run_recall(int32_t num_ranks, EngineConfig config) {
  EngineRun run{.num_ranks = num_ranks, .config = std::move(config)};
  run.config.page_tokens = 64;  // the host tier's slots are rounded up, which hides a difference of small pages
  run.config.format = KvFormat::kKv4;
  EngineJob job;
  job.prompt.assign(40, TokenId(7));
  run_engine(kRecall, {job}, run);
  return run;
}

KvLayout with_format(KvLayout layout, KvFormat format) {
  layout.format = format;
  layout.wide_keys = {};
  return layout;
}

TEST(EngineGuard, LayersWhoseKeysAreTooCoarseAreWidened) {
  for (const int32_t num_ranks : {1, 2}) {
    const EngineRun run = run_recall(num_ranks, EngineRun{}.config);
    ASSERT_EQ(run.key_decibels.size(), 4u);
    EXPECT_LT(run.key_decibels[0], kLeastKeyDecibels);  // its keys are biased, as Qwen2's are
    EXPECT_EQ(run.layout.wide_keys, layers_of_wide_keys(run.key_decibels));
    EXPECT_TRUE(run.layout.wide_keys.contains(0));
    EXPECT_LT(run.layout.wide_keys.size(), run.layout.num_layers);
    EXPECT_GT(run.layout.page_bytes(), with_format(run.layout, KvFormat::kKv4).page_bytes());
    EXPECT_LT(run.layout.page_bytes(), with_format(run.layout, KvFormat::kK8v4).page_bytes());
  }
}

TEST(EngineGuard, WiderPagesKeepWithinTheBytes) {
  constexpr int64_t kSlots = 40, kHostSlots = 50;
  for (const int32_t num_ranks : {1, 2}) {
    const KvLayout narrow = with_format(run_recall(num_ranks, EngineRun{}.config).layout, KvFormat::kKv4);
    EngineConfig config = EngineRun{}.config;
    config.format = KvFormat::kKv4;
    config.page_tokens = 64;
    config.num_slots = kSlots;
    config.budget = {.bytes = kSlots * narrow.page_bytes(), .shrinks_longest = true};
    config.max_sequence = tokens_in(config, kSlots);
    config.tiers.host_slots = kHostSlots;
    config.tiers.are_slots_by_bytes = true;
    const EngineRun run = run_recall(num_ranks, config);
    for (const EngineConfig& fitted : run.configs) {
      EXPECT_EQ(fitted.num_slots, config.budget.bytes / run.layout.page_bytes());
      EXPECT_LT(fitted.num_slots, kSlots);
      EXPECT_EQ(fitted.max_sequence, tokens_in(fitted, fitted.num_slots));
      EXPECT_LT(fitted.tiers.host_slots, kHostSlots);
      EXPECT_LE(fitted.tiers.host_slots * HostPool::slot_bytes_of(run.layout),
                kHostSlots * HostPool::slot_bytes_of(narrow));
    }
  }
}

// Tokens were asked for, so tokens there are, whatever their pages take.
TEST(EngineGuard, TokensThatWereAskedForStay) {
  EngineConfig config = EngineRun{}.config;
  config.tiers.host_slots = 8;
  const EngineRun run = run_recall(1, config);
  EXPECT_EQ(run.configs[0].num_slots, config.num_slots);
  EXPECT_EQ(run.configs[0].max_sequence, config.max_sequence);
  EXPECT_EQ(run.configs[0].tiers.host_slots, 8);
}

}  // namespace
}  // namespace lockstep
