#include "cache/policy/page_history.h"

#include "tests/cache/policy/policy_facts.h"

#include <algorithm>
#include <gtest/gtest.h>

namespace lockstep {
namespace {

class PageHistoryTest : public testing::Test {
 protected:
  void leave(int64_t page) {
    history_.leave(*history_.find(key_of(page)),
                   [&](const PageHistory::Entry& ghost) { forgotten_.push_back(ghost.num_uses); });
  }
  void enter(int64_t page) { history_.enter(key_of(page)).num_uses = page; }

  PageHistory history_;
  std::vector<int64_t> forgotten_;  // their num_uses, which is their number here
};

TEST_F(PageHistoryTest, APageThatComesBackIsKnown) {
  enter(7);
  leave(7);
  EXPECT_EQ(history_.num_ghosts(), 1);
  EXPECT_EQ(history_.enter(key_of(7)).num_uses, 7);
  EXPECT_EQ(history_.num_ghosts(), 0);
  EXPECT_EQ(history_.num_cached(), 1);
}

TEST_F(PageHistoryTest, GhostsAreBoundedByTheCacheAndTheOldestGoFirst) {
  for (int64_t page = 1; page <= 2; ++page) enter(page);
  for (int64_t page = 3; page <= 100; ++page) {
    leave(page - 2);
    enter(page);
    EXPECT_LE(history_.num_ghosts(), 2 * PageHistory::kGhostsPerPage);
  }
  EXPECT_EQ(history_.num_ghosts(), 2 * PageHistory::kGhostsPerPage);
  ASSERT_EQ(forgotten_.size(), 98U - 2 * PageHistory::kGhostsPerPage);
  EXPECT_TRUE(std::is_sorted(forgotten_.begin(), forgotten_.end()));
  EXPECT_EQ(forgotten_.front(), 1);
  EXPECT_EQ(history_.find(key_of(1)), nullptr);
  // Entries are used again.
  EXPECT_LE(history_.entries().size(), 2U + 2 * PageHistory::kGhostsPerPage + 1);
}

TEST_F(PageHistoryTest, AGhostThatCameBackAndLeftAgainIsAYoungOne) {
  enter(1);
  for (int64_t page = 2; page <= 8; ++page) {
    enter(page);
    leave(page);
  }
  leave(1);
  enter(2);
  leave(2);  // the youngest now
  for (int64_t page = 9; forgotten_.size() < 9; ++page) {
    enter(page);
    leave(page);
  }
  EXPECT_EQ(std::find(forgotten_.begin(), forgotten_.end(), 2) - forgotten_.begin(), 7);
}

TEST_F(PageHistoryTest, RecordsOfPagesThatComeBackAreBoundedToo) {
  enter(1);
  for (int i = 0; i < 1000; ++i) {
    leave(1);
    enter(1);
  }
  leave(1);
  EXPECT_EQ(history_.num_ghosts(), 1);
  EXPECT_LE(history_.num_records(), 2 * PageHistory::kGhostsPerPage);
  EXPECT_TRUE(forgotten_.empty());
  EXPECT_NE(history_.find(key_of(1)), nullptr);
}

}  // namespace
}  // namespace lockstep
