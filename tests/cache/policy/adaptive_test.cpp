#include "cache/policy/adaptive.h"

#include "tests/cache/policy/policy_facts.h"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

// A cache without a tree: hot pages 0 … 9 are read every 20 units of time, and every unit a page is read that never
// returns. `capacity` places, the policy's victim leaves.
class LittleCache {
 public:
  explicit LittleCache(EvictionPolicy& policy, size_t capacity) : policy_(policy), capacity_(capacity) {}

  bool read(int64_t id, int64_t depth, uint64_t now) {
    for (PageFacts& page : pages_) {
      if (page.page != PageId(id)) continue;
      policy_.used(page, now);
      page.last_use = now;
      page.num_uses += 1;
      return true;
    }
    if (pages_.size() == capacity_) {
      const int64_t victim = victims(policy_, pages_).front();
      for (auto page = pages_.begin(); page != pages_.end(); ++page) {
        if (page->page != PageId(victim)) continue;
        policy_.evicted(*page, now);
        pages_.erase(page);
        break;
      }
    }
    pages_.push_back(page_of(id, {.depth = depth, .inserted = now, .last_use = now, .num_uses = 1}));
    policy_.inserted(pages_.back());
    return false;
  }

 private:
  EvictionPolicy& policy_;
  size_t capacity_;
  std::vector<PageFacts> pages_;
};

int64_t hot_hits(EvictionPolicy& policy, int64_t rounds) {
  LittleCache cache(policy, 16);
  int64_t hits = 0, fresh = 1000;
  uint64_t now = 0;
  for (int64_t round = 0; round < rounds; ++round) {
    for (int64_t i = 0; i < 20; ++i, ++now) {
      if (i % 2 == 0) hits += cache.read(i / 2, 0, now) ? 1 : 0;
      cache.read(fresh++, 1, now);
    }
  }
  return hits;
}

TEST(AdaptivePolicyTest, ResistsAScan) {
  const int64_t rounds = 400;
  const auto lru = make_eviction_policy("lru", false);
  EXPECT_EQ(hot_hits(*lru, rounds), 0);  // 30 pages between two reads, 16 places
  AdaptivePolicy adaptive;
  EXPECT_GT(hot_hits(adaptive, rounds), 10 * rounds * 8 / 10);
}

TEST(AdaptivePolicyTest, IsLruBeforeItLearns) {
  AdaptivePolicy adaptive;
  const std::vector<PageFacts> pages{page_of(1, {.depth = 3, .last_use = 5}),
                                     page_of(2, {.last_use = 4, .num_uses = 9}),
                                     page_of(3, {.depth = 1, .last_use = 6})};
  for (const PageFacts& page : pages) adaptive.inserted(page);
  EXPECT_EQ(victims(adaptive, pages), (std::vector<int64_t>{2, 1, 3}));
}

TEST(AdaptivePolicyTest, DecidesAlikeInEveryRun) {
  AdaptivePolicy first, second;
  EXPECT_EQ(hot_hits(first, 300), hot_hits(second, 300));
  for (size_t c = 0; c < first.keep_times().num_classes(); ++c) {
    EXPECT_EQ(first.keep_times().keep_time(c, 0), second.keep_times().keep_time(c, 0));
    EXPECT_EQ(first.keep_times().keep_time(c, 1023), second.keep_times().keep_time(c, 1023));
  }
}

TEST(AdaptivePolicyTest, AScoreStaysWhatItWasWhileTimePasses) {
  AdaptivePolicy adaptive;
  const PageFacts page = page_of(1, {.inserted = 1, .last_use = 1, .num_uses = 1});
  adaptive.inserted(page);
  const uint64_t score = adaptive.score(page);
  adaptive.inserted(page_of(2, {.inserted = 500, .last_use = 500, .num_uses = 1}));
  EXPECT_EQ(adaptive.score(page), score);
}

TEST(AdaptivePolicyTest, ClassesAreByReadersDepthAndOrigin) {
  const auto c = [](int64_t uses, int64_t depth, bool is_output) {
    return AdaptivePolicy::class_of(uses, depth, is_output);
  };
  EXPECT_NE(c(1, 0, false), c(2, 0, false));
  EXPECT_NE(c(1, 0, false), c(1, 1, false));
  EXPECT_NE(c(1, 0, false), c(1, 0, true));
  EXPECT_EQ(c(4, 64, true), c(1000, 5000, true));
  EXPECT_EQ(c(0, -1, false), c(1, 0, false));
  EXPECT_LT(c(1000, int64_t{1} << 60, true), AdaptivePolicy().keep_times().num_classes());
}

TEST(AdaptivePolicyTest, BoundsItsGhosts) {
  AdaptivePolicy adaptive;
  hot_hits(adaptive, 200);
  EXPECT_LE(adaptive.history().num_cached(), 16);
  EXPECT_EQ(adaptive.history().num_ghosts(), 16 * PageHistory::kGhostsPerPage);
  EXPECT_LE(adaptive.history().entries().size(), 17U * (PageHistory::kGhostsPerPage + 1));
}

TEST(AdaptivePolicyTest, ScoresDoNotWrapAround) {
  AdaptivePolicy adaptive;
  hot_hits(adaptive, 300);  // something learned: some keep time is not 0
  bool keeps = false;
  for (int64_t uses = 1; uses <= 4; ++uses) {
    PageFacts page = page_of(-1, {.last_use = 5, .num_uses = uses});
    keeps = keeps || adaptive.score(page) > 5;
    page.last_use = kNeverUsed - 1;
    EXPECT_GE(adaptive.score(page), kNeverUsed - 1);
  }
  EXPECT_TRUE(keeps);
  // A clock that stands still or runs back, and a page nobody told of, do no harm.
  adaptive.used(page_of(-2, {.last_use = 100}), 5);
  adaptive.evicted(page_of(-3), 0);
}

TEST(AdaptivePolicyTest, AReaderThatStartsBeforeTheLastOneLeftIsAnAgeOfNothing) {
  AdaptivePolicy adaptive;
  PageFacts page = page_of(1, {.num_uses = 1});
  adaptive.inserted(page);
  for (uint64_t now = 1; now < 3000; ++now) {
    page.last_use = now + 1;
    adaptive.used(page, now);
  }
  EXPECT_GT(adaptive.score(page), page.last_use);
  EXPECT_LT(adaptive.score(page), page.last_use + 10);
}

TEST(AdaptivePolicyTest, RestoreCostWeighsDepth) {
  AdaptivePolicy cheap({.base = 1, .per_depth = 0}), deep({.base = 1, .per_depth = 1000});
  EXPECT_EQ(cheap.keep_times().num_classes(), deep.keep_times().num_classes());
  // Costs beyond the accepted ones are cut, not refused.
  EXPECT_NO_THROW(AdaptivePolicy({.base = -5, .per_depth = -5}));
}

}  // namespace
}  // namespace lockstep
