#include "cache/planner/page_pool.h"

#include "cache/page_table.h"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

TEST(PagePool, GivesEverySlotOnceAndNeverAPageIdTwice) {
  PagePool pool(3);
  std::vector<PlacedPage> pages;
  while (const auto page = pool.allocate()) pages.push_back(*page);
  ASSERT_EQ(pages.size(), 3U);
  for (int32_t i = 0; i < 3; ++i) EXPECT_EQ(pages[static_cast<size_t>(i)].slot, SlotId(i));
  EXPECT_EQ(pool.num_free(), 0);
  pool.evict(pages[1]);
  EXPECT_EQ(pool.num_free(), 1);
  const auto next = pool.allocate();
  EXPECT_EQ(next->slot, SlotId(1));
  EXPECT_EQ(next->page, PageId(3));
  EXPECT_EQ(pool.num_used(), 3);
}

TEST(PagePool, OpsAreWhatARankNeedsToFollow) {
  PagePool pool(2);
  PageTable table(2);
  const auto follow = [&] {
    StepPlan plan;
    plan.number = table.next_plan_number();
    plan.digest_before = pool.digest();
    plan.ops = pool.take_ops();
    table.apply(plan);
    EXPECT_EQ(table.digest(), pool.digest());
    EXPECT_EQ(table.num_used(), pool.num_used());
  };
  PlacedPage first = *pool.allocate();
  follow();
  pool.seal(first);
  const PlacedPage second = *pool.allocate();
  follow();
  EXPECT_TRUE(table.is_sealed(first.page));
  EXPECT_EQ(table.slot_of(second.page), second.slot);
  pool.evict(first);
  pool.evict(second);
  follow();
  EXPECT_TRUE(pool.take_ops().empty());
}

}  // namespace
}  // namespace lockstep
