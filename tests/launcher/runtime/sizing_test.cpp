#include "launcher/runtime/sizing.h"

#include "core/error.h"

#include <gtest/gtest.h>

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

TEST_F(SizingTest, DtypeFollowsTheModelUnlessAsked) {
  model_.dtype = DType::kBF16;
  EXPECT_EQ(propose().engine.dtype, DType::kBF16);
  settings_.model.dtype = "f32";
  EXPECT_EQ(propose().engine.dtype, DType::kF32);
}

}  // namespace
}  // namespace lockstep
