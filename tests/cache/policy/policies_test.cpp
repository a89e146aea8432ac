#include "cache/policy/compressed.h"
#include "cache/policy/eviction_policy.h"
#include "core/error.h"
#include "tests/cache/policy/policy_facts.h"

#include <gtest/gtest.h>
#include <limits>
#include <set>
#include <string>

namespace lockstep {
namespace {

using Order = std::vector<int64_t>;
constexpr uint64_t kMaxTime = std::numeric_limits<uint64_t>::max();
constexpr int64_t kMaxCount = std::numeric_limits<int64_t>::max();

std::unique_ptr<EvictionPolicy> make(std::string_view name, bool knows_future = false) {
  return make_eviction_policy(name, knows_future);
}

TEST(PoliciesTest, LruGivesUpWhatWasReadLongestAgo) {
  EXPECT_EQ(victims(*make("lru"), {page_of(1, {.inserted = 1, .last_use = 9, .num_uses = 1}),
                                   page_of(2, {.inserted = 2, .last_use = 5, .num_uses = 7}),
                                   page_of(3, {.inserted = 3, .last_use = 7, .num_uses = 2})}),
            (Order{2, 3, 1}));
}

TEST(PoliciesTest, FifoGivesUpWhatEnteredFirst) {
  EXPECT_EQ(victims(*make("fifo"), {page_of(1, {.inserted = 4, .last_use = 5, .num_uses = 1}),
                                    page_of(2, {.inserted = 2, .last_use = 9, .num_uses = 7}),
                                    page_of(3, {.inserted = 3, .last_use = 4, .num_uses = 2})}),
            (Order{2, 3, 1}));
}

TEST(PoliciesTest, LfuGivesUpWhatHadFewestReadersThenTheLeastRecent) {
  EXPECT_EQ(
      victims(*make("lfu"), {page_of(1, {.last_use = 1, .num_uses = 3}), page_of(2, {.last_use = 8, .num_uses = 2}),
                             page_of(3, {.last_use = 4, .num_uses = 2}), page_of(4, {.last_use = 9, .num_uses = 1})}),
      (Order{4, 3, 2, 1}));
}

TEST(PoliciesTest, TiesGoToTheDeeperThenToTheHigherPage) {
  for (const char* name : {"lru", "fifo", "lfu"}) {
    EXPECT_EQ(victims(*make(name), {page_of(1, {.depth = 2}), page_of(2, {.depth = 5}), page_of(3, {.depth = 2})}),
              (Order{2, 3, 1}))
        << name;
  }
}

TEST(PoliciesTest, LfuDoesNotOverflow) {
  const auto lfu = make("lfu");
  const auto score = [&](int64_t uses, uint64_t time) { return lfu->score({.last_use = time, .num_uses = uses}); };
  EXPECT_LT(score(1, kMaxTime), score(2, 0));
  EXPECT_LT(score(kMaxCount, 1), score(kMaxCount, 2));
  EXPECT_EQ(score(kMaxCount, kMaxTime), kMaxTime);
  EXPECT_EQ(score(-1, 0), 0U);
}

TEST(PoliciesTest, PlannedUseGivesUpTheFarthestUse) {
  EXPECT_EQ(victims(*make("adaptive", true),
                    {page_of(1, {.last_use = 1, .next_use = 30}), page_of(2, {.last_use = 2, .next_use = 29}),
                     page_of(3, {.last_use = 3, .next_use = 31}), page_of(4, {.last_use = 4})}),
            (Order{4, 3, 1, 2}));
}

TEST(PoliciesTest, PlannedUseGivesUpUnplannedOutputFirstThenTheDeeperThenTheOlder) {
  EXPECT_EQ(
      victims(*make("adaptive", true),
              {page_of(1, {.depth = 9, .last_use = 1}), page_of(2, {.depth = 3, .last_use = 1, .is_output = true}),
               page_of(3, {.depth = 4, .last_use = 8, .is_output = true}),
               page_of(4, {.depth = 4, .last_use = 7, .is_output = true}), page_of(5, {.depth = 2, .last_use = 1}),
               page_of(6, {.depth = 9, .next_use = 1000, .is_output = true})}),
      (Order{4, 3, 2, 1, 5, 6}));
}

TEST(PoliciesTest, PlannedUseDoesNotOverflow) {
  const auto policy = make("adaptive", true);
  // The farthest planned use is worth more than the best page without one; scores leave the highest bit free.
  const uint64_t farthest = policy->score({.depth = kMaxCount, .next_use = kNeverUsed - 1});
  EXPECT_GT(farthest, policy->score({.depth = 0, .last_use = kMaxTime}));
  EXPECT_LT(policy->score({.next_use = 0}), uint64_t{1} << 63);
  EXPECT_GT(policy->score({.next_use = 0}), policy->score({.next_use = 1}));
  EXPECT_LT(policy->score({.depth = kMaxCount, .last_use = kMaxTime}), policy->score({.depth = 0, .last_use = 0}));
  EXPECT_LT(policy->score({.depth = int64_t{1} << 21}), policy->score({.depth = 5}));
}

TEST(PoliciesTest, CompressedShrinksEveryPageBeforeOneLeaves) {
  const auto policy = make("compressed", true);
  EXPECT_EQ(victims(*policy, {page_of(1, {.next_use = 5}), page_of(2, {.next_use = 6, .is_compressed = true}),
                              page_of(3, {.next_use = 7}), page_of(4, {.is_compressed = true})}),
            (Order{3, 1, 4, 2}));
  // Nothing is lost of the order beneath: neighbours stay apart.
  EXPECT_GT(policy->score({.next_use = 5}), policy->score({.next_use = 6}));
}

TEST(PoliciesTest, CompressedTellsItsOrderWhatHappens) {
  struct Spy : EvictionPolicy {
    explicit Spy(std::string& log) : log_(log) {}
    uint64_t score(const PageFacts&) const override { return kMaxTime; }
    void inserted(const PageFacts&) override { log_ += "i"; }
    void used(const PageFacts&, uint64_t now) override { log_ += "u" + std::to_string(now); }
    void evicted(const PageFacts&, uint64_t now) override { log_ += "e" + std::to_string(now); }
    std::string& log_;
  };
  std::string log;
  CompressedPolicy policy(std::make_unique<Spy>(log));
  policy.inserted({});
  policy.used({}, 3);
  policy.evicted({}, 4);
  EXPECT_EQ(log, "iu3e4");
  EXPECT_LT(policy.score({}), policy.score({.is_compressed = true}));
}

TEST(PoliciesTest, OrdersDiffer) {
  const std::vector<PageFacts> pages{
      page_of(1, {.depth = 1, .inserted = 1, .last_use = 9, .num_uses = 2, .next_use = 40}),
      page_of(2, {.depth = 2, .inserted = 2, .last_use = 3, .num_uses = 4, .next_use = 20, .is_compressed = true}),
      page_of(3, {.depth = 3, .inserted = 3, .last_use = 5, .num_uses = 1, .next_use = 10}),
      page_of(4, {.depth = 4, .inserted = 4, .last_use = 4, .num_uses = 3, .next_use = 50, .is_compressed = true})};
  std::set<Order> orders;
  for (const char* name : {"lru", "lfu", "fifo", "adaptive", "compressed"})
    orders.insert(victims(*make(name, true), pages));
  EXPECT_EQ(orders.size(), 5U);
}

TEST(PoliciesTest, AnUnknownNameIsRefusedWithTheAcceptedOnes) {
  try {
    make("mru");
    FAIL() << "mru was accepted";
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("'mru'; accepted: lru, lfu, fifo, adaptive, compressed"),
              std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace lockstep
