#include "cache/cache_stats.h"

#include "tests/launcher/metrics/example_stats.h"
#include "tests/support/expect_throw.h"

#include <cstring>
#include <vector>

namespace lockstep {
namespace {

using testing_support::example_stats;
using testing_support::expect_throw;

TEST(CacheStats, BytesCarryEverything) {
  const CacheStats stats = example_stats();
  std::vector<std::byte> bytes(sizeof stats);
  std::memcpy(bytes.data(), &stats, sizeof stats);
  CacheStats copy;
  std::memcpy(&copy, bytes.data(), sizeof copy);
  EXPECT_EQ(copy, stats);
  ++copy.transfer(TransferChannel::kFromDisk).failures;
  EXPECT_NE(copy, stats);
}

TEST(CacheStats, CountsTimesAndCapacitiesAddUp) {
  const CacheStats one = example_stats();
  const CacheStats two = one + one;
  EXPECT_EQ(two.num_replicas, 2);
  for (size_t i = 0; i < kNumTiers; ++i) {
    EXPECT_EQ(two.tiers[i].capacity_pages, 2 * one.tiers[i].capacity_pages);
    EXPECT_EQ(two.tiers[i].used_pages, 2 * one.tiers[i].used_pages);
    EXPECT_EQ(two.tiers[i].hit_tokens, 2 * one.tiers[i].hit_tokens);
    EXPECT_EQ(two.tiers[i].evicted_pages, 2 * one.tiers[i].evicted_pages);
    EXPECT_EQ(two.tiers[i].invalidated_pages, 2 * one.tiers[i].invalidated_pages);
    EXPECT_EQ(two.tiers[i].state, one.tiers[i].state);
    EXPECT_EQ(two.tiers[i].reason, one.tiers[i].reason);
  }
  for (size_t i = 0; i < kNumTransferChannels; ++i) {
    EXPECT_EQ(two.transfers[i].transfers, 2 * one.transfers[i].transfers);
    EXPECT_EQ(two.transfers[i].pages, 2 * one.transfers[i].pages);
    EXPECT_EQ(two.transfers[i].bytes, 2 * one.transfers[i].bytes);
    EXPECT_EQ(two.transfers[i].failures, 2 * one.transfers[i].failures);
    EXPECT_EQ(two.transfers[i].busy_seconds, 2 * one.transfers[i].busy_seconds);
  }
  EXPECT_EQ(two.lookup_tokens, 16000);
  EXPECT_EQ(two.attainable_hit_tokens, 15000);
  EXPECT_EQ(two.sparse, (SparseStats{12, 4, 2, 8, 20, 80, 6.0, 14, 140, 10, 82, 18, 6}));
  EXPECT_EQ(two.exposed_stall_seconds, 2.0);
  EXPECT_EQ(two.demoted_pages, 42);
  EXPECT_EQ(two.promoted_pages, 44);
  EXPECT_EQ(two.recomputed_pages, 46);
  EXPECT_EQ(two.preemptions, 48);
  EXPECT_EQ(two.reuse_distances.first_uses, 10);
  EXPECT_EQ(two.reuse_distances.sum, 2 * one.reuse_distances.sum);
  EXPECT_EQ(two.reuse_distances.num_reuses(), 12);
  EXPECT_EQ(two.curve.num_lookups, 800);
  EXPECT_EQ(two.curve.points, one.curve.points) << "ratios of equal halves stay";
  EXPECT_EQ(two.costs, one.costs) << "not a sum";
}

TEST(CacheStats, ASumIsTheSameFromBothSides) {
  const CacheStats one = example_stats();
  CacheStats other = example_stats();
  other.lookup_tokens = 5;
  other.costs.ns_per_page[2] = 9999;
  other.costs.ns_per_prefill_token = 1;
  other.tier(Tier::kHost).state = TierState::kSwitchedOff;
  other.tier(Tier::kHost).reason.assign("faults");
  other.curve.points[1].hit_ratio = 0.3;
  other.curve.num_lookups = 100;
  EXPECT_EQ(one + other, other + one);
  const CacheStats sum = one + other;
  EXPECT_EQ(sum.costs.ns_per_page[2], 9999);
  EXPECT_EQ(sum.costs.ns_per_prefill_token, 2500);
  EXPECT_EQ(sum.tier(Tier::kHost).state, TierState::kSwitchedOff);
  EXPECT_EQ(sum.tier(Tier::kHost).reason.view(), "faults");
  EXPECT_DOUBLE_EQ(sum.curve.points[1].hit_ratio, (0.6 * 400 + 0.3 * 100) / 500);
}

TEST(CacheStats, WhatOneDidNotCountTheSumDoesNotKnow) {
  CacheStats silent = example_stats();
  silent.attainable_hit_tokens = silent.recomputed_pages = kNotCounted;
  for (const CacheStats& sum : {example_stats() + silent, silent + example_stats(), silent + silent}) {
    EXPECT_EQ(sum.attainable_hit_tokens, kNotCounted);
    EXPECT_EQ(sum.recomputed_pages, kNotCounted);
    EXPECT_FALSE(sum.attained_ratio());
  }
}

TEST(CacheStats, Ratios) {
  const CacheStats stats = example_stats();
  EXPECT_EQ(stats.hit_tokens(), 6000);
  EXPECT_DOUBLE_EQ(*stats.hit_ratio(), 0.75);
  EXPECT_DOUBLE_EQ(*stats.attained_ratio(), 0.8);
  EXPECT_DOUBLE_EQ(*stats.overlap_ratio(), 1.0 - 1.0 / 5.0);
  CacheStats stalled = stats;
  stalled.exposed_stall_seconds = 100.0;
  EXPECT_EQ(*stalled.overlap_ratio(), 0.0) << "several steps may wait for one copy";
  EXPECT_FALSE(CacheStats{}.hit_ratio());
  EXPECT_FALSE(CacheStats{}.attained_ratio());
  EXPECT_FALSE(CacheStats{}.overlap_ratio());
}

TEST(CacheStats, WhatIfATierWereLarger) {
  CacheStats stats = example_stats();  // device 100 and host 200 are on, the disk is bypassed
  EXPECT_DOUBLE_EQ(*stats.hit_ratio_if(Tier::kDevice, 1.0), 0.6);
  EXPECT_DOUBLE_EQ(*stats.hit_ratio_if(Tier::kDevice, 2.0), 0.6 + 0.3 * 100 / 700);
  EXPECT_DOUBLE_EQ(*stats.hit_ratio_if(Tier::kDevice, 0.5), 0.5);
  EXPECT_DOUBLE_EQ(*stats.hit_ratio_if(Tier::kHost, 0.5), 0.4);
  EXPECT_FALSE(stats.hit_ratio_if(Tier::kDisk, 2.0));
  EXPECT_DOUBLE_EQ(*(stats + stats).hit_ratio_if(Tier::kHost, 0.5), 0.4) << "each replica has its own tiers";
  stats.curve = {};
  EXPECT_FALSE(stats.hit_ratio_if(Tier::kDevice, 2.0));
}

TEST(MissRatioCurve, IsStraightBetweenPoints) {
  MissRatioCurve curve;
  EXPECT_FALSE(curve.hit_ratio_at(5));
  curve.add(10, 0.5);
  curve.add(20, 0.7);
  EXPECT_DOUBLE_EQ(*curve.hit_ratio_at(0), 0.0);
  EXPECT_DOUBLE_EQ(*curve.hit_ratio_at(-3), 0.0);
  EXPECT_DOUBLE_EQ(*curve.hit_ratio_at(5), 0.25);
  EXPECT_DOUBLE_EQ(*curve.hit_ratio_at(10), 0.5);
  EXPECT_DOUBLE_EQ(*curve.hit_ratio_at(15), 0.6);
  EXPECT_DOUBLE_EQ(*curve.hit_ratio_at(99), 0.7);
  expect_throw<Error>([&] { curve.add(20, 0.8); }, {"20 pages"});
  for (int64_t pages = 30; curve.num_points < int64_t{MissRatioCurve::kMaxPoints}; ++pages) curve.add(pages, 0.7);
  expect_throw<Error>([&] { curve.add(1000, 0.8); }, {"at most 32"});
}

TEST(MissRatioCurve, SumsOfOtherCapacitiesFollowTheLine) {
  CacheStats many, few, none;
  many.curve.add(10, 0.4);
  many.curve.num_lookups = 300;
  few.curve.add(20, 0.4);
  few.curve.num_lookups = 100;
  for (const CacheStats& sum : {many + few, few + many}) {
    ASSERT_EQ(sum.curve.num_points, 1);
    EXPECT_EQ(sum.curve.points[0].capacity_pages, 10);
    EXPECT_DOUBLE_EQ(sum.curve.points[0].hit_ratio, (0.4 * 300 + 0.2 * 100) / 400);
  }
  EXPECT_EQ((none + few).curve, few.curve);
  EXPECT_EQ((few + none).curve, few.curve);
}

TEST(ReuseDistances, BucketsHoldTheirBounds) {
  for (size_t i = 0; i + 1 < ReuseDistances::kNumBuckets; ++i) {
    ReuseDistances distances;
    distances.add(ReuseDistances::bound(i), 2);
    EXPECT_EQ(distances.buckets[i], 2) << i;
    distances.add(ReuseDistances::bound(i) + 1);
    EXPECT_EQ(distances.buckets[i + 1], 1) << i;
    EXPECT_EQ(distances.sum, 3 * ReuseDistances::bound(i) + 1);
  }
  ReuseDistances distances;
  EXPECT_FALSE(distances.is_counted());
  distances.add(int64_t{1} << 60);
  EXPECT_EQ(distances.buckets.back(), 1);
  EXPECT_TRUE(distances.is_counted());
  expect_throw<Error>([&] { distances.add(0); }, {"distance 0"});
}

TEST(FixedText, IsCutBetweenCharacters) {
  FixedText text;
  EXPECT_EQ(text.view(), "");
  text.assign(std::string(200, 'a'));
  EXPECT_EQ(text.view(), std::string(127, 'a'));
  text.assign(std::string(126, 'a') + "\u00fc");
  EXPECT_EQ(text.view(), std::string(126, 'a'));
  text.assign(std::string(125, 'a') + "\u00fc");
  EXPECT_EQ(text.view(), std::string(125, 'a') + "\u00fc");
  text.assign("short");
  EXPECT_EQ(text.view(), "short");
  FixedText other;
  other.assign("short");
  EXPECT_EQ(text, other) << "nothing of the longer text is left";
}

}  // namespace
}  // namespace lockstep
