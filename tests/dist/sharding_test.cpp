#include "dist/sharding.h"

#include "core/error.h"
#include "dist/topology.h"

#include <algorithm>
#include <gtest/gtest.h>

namespace lockstep {
namespace {

ModelConfig model(int64_t heads, int64_t kv_heads, int64_t head_dim, int64_t ffn, int64_t vocab) {
  ModelConfig config;
  config.num_heads = heads;
  config.num_kv_heads = kv_heads;
  config.head_dim = head_dim;
  config.hidden_size = heads * head_dim;
  config.intermediate_size = ffn;
  config.vocab_size = vocab;
  return config;
}

const std::vector<ModelConfig>& models() {
  static const std::vector<ModelConfig> all = {
      model(32, 8, 128, 14336, 128256), model(32, 32, 128, 11008, 32000), model(12, 4, 64, 2048, 32000),
      model(14, 2, 64, 4864, 151936),   model(12, 3, 5, 36, 7),           model(8, 1, 3, 24, 1),
      model(24, 6, 7, 120, 1009),
  };
  return all;
}

void expect_covers(const std::vector<Range>& parts, int64_t total) {
  int64_t at = 0;
  for (const Range& part : parts) {
    EXPECT_EQ(part.begin, at);
    EXPECT_GE(part.size(), 0);
    at = part.end;
  }
  EXPECT_EQ(at, total);
}

TEST(EvenShard, CoversWithPartsThatDifferByOneAtMost) {
  for (const int64_t total : {0, 1, 7, 32000, 151936}) {
    for (const int32_t tp : {1, 2, 3, 7, 8}) {
      std::vector<Range> parts;
      for (int32_t r = 0; r < tp; ++r) parts.push_back(even_shard(total, tp, Rank(r)));
      expect_covers(parts, total);
      const auto by_size = [](const Range& a, const Range& b) { return a.size() < b.size(); };
      const auto [least, most] = std::minmax_element(parts.begin(), parts.end(), by_size);
      EXPECT_LE(most->size() - least->size(), 1) << total << " over " << tp;
    }
  }
}

TEST(Sharding, RanksPartitionHeadsFfnAndVocabulary) {
  for (const ModelConfig& config : models()) {
    for (const int32_t tp : allowed_tp(config)) {
      std::vector<Range> heads, ffn, vocab;
      for (int32_t r = 0; r < tp; ++r) {
        const ModelShard shard = shard_of(config, tp, Rank(r));
        EXPECT_EQ(shard.query_heads.size(), config.num_heads / tp);
        EXPECT_EQ(shard.ffn.size(), config.intermediate_size / tp);
        heads.push_back(shard.query_heads);
        ffn.push_back(shard.ffn);
        vocab.push_back(shard.vocab);
      }
      expect_covers(heads, config.num_heads);
      expect_covers(ffn, config.intermediate_size);
      expect_covers(vocab, config.vocab_size);
    }
  }
}

TEST(Sharding, RankHoldsTheKvHeadsOfItsQueryHeads) {
  for (const ModelConfig& config : models()) {
    const int64_t group = config.num_heads / config.num_kv_heads;
    for (const int32_t tp : allowed_tp(config)) {
      for (int32_t r = 0; r < tp; ++r) {
        const ModelShard shard = shard_of(config, tp, Rank(r));
        EXPECT_EQ(shard.kv_heads.size(), std::max<int64_t>(1, config.num_kv_heads / tp));
        EXPECT_EQ(shard.kv_heads.begin, shard.query_heads.begin / group);
        EXPECT_EQ(shard.kv_heads.end, (shard.query_heads.end - 1) / group + 1);
      }
    }
  }
}

// The boundaries of all ranks, put one behind the other, are those of tp 1.
void expect_same_segments(const std::vector<int64_t>& whole, int64_t part_begin, const std::vector<int64_t>& part) {
  EXPECT_EQ(part.front(), 0);
  for (const int64_t bound : part) {
    EXPECT_NE(std::find(whole.begin(), whole.end(), bound + part_begin), whole.end()) << bound + part_begin;
  }
}

TEST(Sharding, SegmentsOfTp1248AreThoseOfTheWholeAxis) {
  for (const ModelConfig& config : models()) {
    const ModelShard whole = shard_of(config, 1, Rank(0));
    ASSERT_EQ(whole.output_segments.size(), 9U);
    ASSERT_EQ(whole.down_segments.size(), 9U);
    for (int64_t i = 0; i <= 8; ++i) {
      EXPECT_EQ(whole.output_segments[static_cast<size_t>(i)], i * config.num_heads * config.head_dim / 8);
      EXPECT_EQ(whole.down_segments[static_cast<size_t>(i)], i * config.intermediate_size / 8);
    }
    for (const int32_t tp : allowed_tp(config)) {
      for (int32_t r = 0; r < tp; ++r) {
        const ModelShard shard = shard_of(config, tp, Rank(r));
        EXPECT_EQ(shard.output_segments.back(), shard.query_heads.size() * config.head_dim);
        EXPECT_EQ(shard.down_segments.back(), shard.ffn.size());
        const size_t bounds = 8 % tp == 0 ? static_cast<size_t>(8 / tp + 1) : 2U;
        EXPECT_EQ(shard.output_segments.size(), bounds);
        EXPECT_EQ(shard.down_segments.size(), bounds);
        if (8 % tp != 0) continue;
        expect_same_segments(whole.output_segments, shard.query_heads.begin * config.head_dim, shard.output_segments);
        expect_same_segments(whole.down_segments, shard.ffn.begin, shard.down_segments);
      }
    }
  }
}

TEST(Sharding, RefusesADegreeThatDoesNotFit) {
  EXPECT_THROW(shard_of(model(12, 3, 5, 36, 7), 4, Rank(0)), ConfigError);
  EXPECT_THROW(shard_of(model(12, 3, 5, 36, 7), 0, Rank(0)), ConfigError);
}

}  // namespace
}  // namespace lockstep
