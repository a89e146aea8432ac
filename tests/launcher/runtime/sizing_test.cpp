#include "launcher/runtime/sizing.h"

#include "cache/transfer/host_pool.h"
#include "core/error.h"
#include "tests/support/local_ranks.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace lockstep {
namespace {

class SizingTest : public testing::Test {
 protected:
  SizingTest() {
    model_.hidden_size = 64;
    model_.intermediate_size = 96;
    model_.num_layers = 2;
    model_.num_heads = 8;
    model_.num_kv_heads = 2;
    model_.head_dim = 8;
    model_.vocab_size = 300;
    model_.max_positions = 1000;
    settings_.model.path = "model";
  }
  Sizing propose(int64_t available = int64_t{1} << 30, int32_t local_size = 1) {
    return propose_sizing(settings_, model_, shard_of(model_, 1, Rank(0)), context_, {available / local_size, 0.5});
  }

  ThreadPool threads_{1};
  OpContext context_{.threads = &threads_};
  ModelConfig model_;
  EngineSettings settings_;
};

TEST_F(SizingTest, AutoIsBoundedByUseAndByMemory) {
  const Sizing roomy = propose();
  EXPECT_EQ(roomy.engine.max_sequence, 1000);
  EXPECT_EQ(roomy.engine.num_slots, 64 * 16);  // 64 sequences of 16 pages
  const Sizing tight = propose(int64_t{4} << 20);
  EXPECT_LT(tight.engine.num_slots, roomy.engine.num_slots);
  EXPECT_LE(tight.memory.total(), int64_t{4} << 20);
  EXPECT_LT(propose(int64_t{4} << 20, 2).engine.num_slots, tight.engine.num_slots);
}

TEST_F(SizingTest, LongestSequenceShrinksToTheCacheUnlessAskedFor) {
  settings_.cache.device_tokens = 300;
  EXPECT_EQ(propose().engine.num_slots, 5);
  EXPECT_EQ(propose().engine.max_sequence, 320);
  settings_.model.max_sequence = 400;
  EXPECT_THROW(propose(), ConfigError);
}

TEST_F(SizingTest, RefusesWhatCannotWork) {
  settings_.model.max_sequence = 1001;
  EXPECT_THROW(propose(), ConfigError);
  settings_.model.max_sequence = 0;
  EXPECT_THROW(propose(1000), ConfigError);
}

TEST_F(SizingTest, TheHostsBytesAreDividedByTheRatio) {
  settings_.model.dtype = "bf16";
  settings_.runtime.determinism = "d1";
  settings_.cache.policy = "compressed";
  settings_.cache.cold_format = "kv4";
  settings_.cache.device_tokens = 4096;
  settings_.cache.host_bytes = int64_t{16} << 20;
  settings_.validate();
  const auto mean_share = [&](const Sizing& sizing) {
    const TierSizes& tiers = sizing.engine.tiers;
    const double exact = static_cast<double>(tiers.host_slots), cold = static_cast<double>(tiers.cold_slots);
    const double cold_share = static_cast<double>(sizing.cold_slot_bytes) / static_cast<double>(sizing.slot_bytes);
    return (exact + cold * cold_share) / (exact + cold);
  };
  for (const double ratio : {0.5, 0.7, 0.9}) {
    settings_.cache.compression_ratio = ratio;
    const Sizing sizing = propose();
    EXPECT_NEAR(mean_share(sizing), ratio, 0.01);
    EXPECT_LE(sizing.engine.tiers.host_slots * HostPool::slot_bytes_of({64, 2, 2, 8, DType::kBF16}) +
                  sizing.engine.tiers.cold_slots * sizing.cold_slot_bytes,
              settings_.cache.host_bytes);
  }
  settings_.cache.compression_ratio = 1.0;
  EXPECT_EQ(propose().engine.tiers.cold_slots, 0);
  settings_.cache.compression_ratio = 0.0;
  const TierSizes tiers = propose().engine.tiers;
  EXPECT_NEAR(static_cast<double>(tiers.host_slots) / static_cast<double>(tiers.host_slots + tiers.cold_slots), 0.125,
              0.01);
  settings_.cache.cold_format = "kv8";  // first pages may be cold
  EXPECT_EQ(propose().engine.tiers.host_slots, 2);
  settings_.cache.compression_ratio = 0.1;
  EXPECT_THROW(propose(), ConfigError);
}

TEST_F(SizingTest, DtypeFollowsTheModelUnlessAsked) {
  model_.dtype = DType::kBF16;
  EXPECT_EQ(propose().engine.dtype, DType::kBF16);
  settings_.model.dtype = "f32";
  EXPECT_EQ(propose().engine.dtype, DType::kF32);
}

TEST_F(SizingTest, FormatAndSparseRuleFollowTheSettings) {
  settings_.cache.quantization_bits = 4;
  settings_.attention.sparse_ratio = 0.5;
  settings_.attention.sparse_least_pages = 3;
  const Sizing sizing = propose();
  EXPECT_EQ(sizing.engine.format, KvFormat::kKv4);
  ASSERT_TRUE(sizing.engine.sparse);
  EXPECT_EQ(sizing.engine.sparse->shared().ratio, 0.5);
  EXPECT_EQ(sizing.engine.sparse->shared().least_pages, 3);
  settings_.attention.sparse_ratio = 1.0;
  EXPECT_FALSE(propose().engine.sparse);
}

TEST_F(SizingTest, RatiosOfLayersAreOfTheModel) {
  settings_.attention.sparse_ratio = 0.5;
  settings_.attention.sparse_layer_ratios = fmt::format("{}:0.25", model_.num_layers - 1);
  EXPECT_EQ(propose().engine.sparse->ratio_of(model_.num_layers - 1), 0.25);
  settings_.attention.sparse_layer_ratios = fmt::format("0-{}:0.25", model_.num_layers);
  EXPECT_THROW(propose(), ConfigError);
}

KvLayout widened(KvLayout layout, int64_t num_layers) {
  for (int64_t layer = 0; layer < num_layers; ++layer) layout.wide_keys.insert(layer);
  return layout;
}

// Memory that holds from a bit of the pool to more than what sequences can use.
TEST_F(SizingTest, WiderKeysTakeNoMoreThanTheMemoryThatWasThere) {
  settings_.cache.format = "kv4";
  int64_t num_fewer = 0;
  for (int64_t available = int64_t{8} << 20; available < int64_t{40} << 20; available += 500'000) {
    Sizing sizing = propose(available);
    const int64_t before = sizing.engine.num_slots;
    const KvLayout wide = widened(sizing.layout, model_.num_layers);
    fit_device(sizing.engine, wide, Device::cpu());
    EXPECT_LE(device_cache_bytes(sizing.engine, wide),
              (available - sizing.memory.weights - sizing.memory.activations) / 2);
    EXPECT_EQ(sizing.engine.max_sequence, std::min<int64_t>(1000, tokens_in(sizing.engine, sizing.engine.num_slots)));
    if (sizing.engine.num_slots < before) ++num_fewer;
  }
  EXPECT_GT(num_fewer, 0);
  EXPECT_EQ(propose(int64_t{40} << 20).engine.num_slots, 64 * 17);  // as many as can be used: the last sizes were large
}

TEST_F(SizingTest, ASequenceThatWasAskedForMustFitBesideWiderKeys) {
  model_.max_positions = 1 << 20;
  settings_.cache.format = "kv4";
  settings_.cache.device_bytes = int64_t{4} << 20;
  Sizing sizing = propose();
  settings_.model.max_sequence = tokens_in(sizing.engine, sizing.engine.num_slots);
  sizing = propose();
  try {
    fit_device(sizing.engine, widened(sizing.layout, 1), Device::cpu());
    FAIL() << "a sequence of the old length cannot fit";
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("1 of 2 layers keep keys of 8 bits"), std::string::npos) << error.what();
  }
}

// The rank with least memory decides, now and when layers turn out to need wider keys.
TEST_F(SizingTest, RanksWithUnequalMemoryCutTheSamePools) {
  settings_.cache.format = "kv4";
  std::vector<Sizing> sizings(2);
  check_on_local_ranks(2, [&](Communicator& world) {
    const auto rank = static_cast<size_t>(world.rank().value());
    Sizing& sizing = sizings[rank];
    sizing = propose(rank == 0 ? int64_t{1} << 30 : int64_t{4} << 20);
    agree_on_sizing(world, Device::cpu(), sizing);
    fit_device(sizing.engine, widened(sizing.layout, 1), Device::cpu());
  });
  EXPECT_EQ(sizings[0].engine.num_slots, sizings[1].engine.num_slots);
  EXPECT_EQ(sizings[0].engine.max_sequence, sizings[1].engine.max_sequence);
  EXPECT_LT(sizings[0].engine.num_slots, propose(int64_t{4} << 20).engine.num_slots);
}

TEST_F(SizingTest, ModelsWithMoreLayersThanTheGuardKnowsAreRefused) {
  model_.num_layers = 257;
  EXPECT_NO_THROW(propose());
  settings_.cache.format = "kv4";
  EXPECT_THROW(propose(), ConfigError);
}

TEST_F(SizingTest, OffloadFollowsTheHostTierWhereItMay) {
  settings_.model.dtype = "bf16";
  settings_.attention.sparse_offload = "auto";
  settings_.cache.host_tokens = 6400;
  EXPECT_FALSE(propose().engine.offloads);  // dense
  settings_.attention.sparse_ratio = 0.25;
  EXPECT_TRUE(propose().engine.offloads);
  settings_.cache.host_tokens = -1;  // none on the CPU
  EXPECT_FALSE(propose().engine.offloads);
  settings_.attention.sparse_offload = "true";
  EXPECT_THROW(propose(), ConfigError);
  settings_.attention.sparse_offload = "auto";
  settings_.cache.device_tokens = 4096;
  settings_.cache.host_bytes = int64_t{16} << 20;
  settings_.cache.cold_format = "kv4";
  settings_.cache.policy = "compressed";
  settings_.runtime.determinism = "d1";
  settings_.validate();
  EXPECT_FALSE(propose().engine.offloads);
}

// A cache of the same bytes, pages that are being written and the larger first pages of 4 bits included.
class AdmissionTest : public SizingTest {
 protected:
  static constexpr int64_t kTokens = 8000;

  AdmissionTest() {
    model_.num_layers = 32;
    model_.num_heads = 32;
    model_.num_kv_heads = 8;
    model_.head_dim = 128;
    model_.max_positions = 8192;
    model_.dtype = DType::kBF16;
    settings_.cache.device_bytes = int64_t{64} << 30;
    settings_.schedule.max_sequences = 256;
  }

  /// Tokens of the sequences of kTokens tokens that run side by side. The first `num_wide` layers keep keys of 8 bits.
  int64_t admitted(const char* format, int64_t num_wide = 0) {
    settings_.cache.format = format;
    Sizing sizing = propose();
    const KvLayout layout = widened(sizing.layout, num_wide);
    fit_device(sizing.engine, layout, Device::cpu());
    EXPECT_LE(device_cache_bytes(sizing.engine, layout), settings_.cache.device_bytes);
    // One step for all prompts.
    PlannerConfig config{.num_slots = sizing.engine.num_slots,
                         .page_tokens = 64,
                         .max_step_tokens = 256 * kTokens,
                         .max_sequences = sizing.engine.max_sequences,
                         .splits_first_page = layout.splits_first_page()};
    if (layout.is_coded()) config.open_slots = config.least_open_slots() + config.max_sequences;
    Planner planner(config);
    for (int32_t i = 0; i < 256; ++i) {
      planner.add({.prompt = std::vector<TokenId>(kTokens - 32, TokenId(i)), .max_new_tokens = 32});
    }
    const StepPlan plan = planner.plan();
    EXPECT_LT(planner.num_running(), 256);
    return planner.num_running() * kTokens;
  }
};

TEST_F(AdmissionTest, CodedPagesAdmitMoreTokens) {
  const auto full = static_cast<double>(admitted("full"));
  EXPECT_GE(static_cast<double>(admitted("kv8")) / full, 1.85);
  EXPECT_GE(static_cast<double>(admitted("kv4", 0)) / full, 3.45);
  EXPECT_GE(static_cast<double>(admitted("kv4", 4)) / full, 3.3);  // an eighth of the layers
  EXPECT_GE(static_cast<double>(admitted("kv4", 32)) / full, 2.4);
}

}  // namespace
}  // namespace lockstep
