#include "cache/page_table.h"

#include "core/error.h"

#include <gtest/gtest.h>
#include <string>

namespace lockstep {
namespace {

PageOp allocate(int64_t page, int32_t slot) { return {PageOpKind::kAllocate, PageId(page), SlotId(slot)}; }
PageOp seal(int64_t page, int32_t slot) { return {PageOpKind::kSeal, PageId(page), SlotId(slot)}; }
PageOp evict(int64_t page, int32_t slot) { return {PageOpKind::kEvict, PageId(page), SlotId(slot)}; }

PageOp to_host(int64_t page, int32_t slot, int32_t host_slot) {
  return {PageOpKind::kDemote, PageId(page), SlotId(slot), Tier::kHost, SlotId(host_slot)};
}
PageOp to_device(int64_t page, int32_t slot, int32_t host_slot) {
  return {PageOpKind::kPromote, PageId(page), SlotId(slot), Tier::kDevice, SlotId(host_slot)};
}
PageOp leave_host(int64_t page, int32_t host_slot) {
  return {PageOpKind::kEvict, PageId(page), SlotId(-1), Tier::kHost, SlotId(host_slot)};
}

class PageTableTest : public testing::Test {
 protected:
  void apply(std::vector<PageOp> ops) {
    StepPlan plan;
    plan.number = table_.next_plan_number();
    plan.digest_before = table_.digest();
    plan.ops = std::move(ops);
    table_.apply(plan);
  }
  std::string message_of(std::vector<PageOp> ops) {
    try {
      apply(std::move(ops));
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  PageTable table_{4, 2};
};

TEST_F(PageTableTest, FollowsAllocateSealEvict) {
  apply({allocate(10, 3), allocate(11, 0), seal(10, 3)});
  EXPECT_EQ(table_.slot_of(PageId(10)), SlotId(3));
  EXPECT_TRUE(table_.is_sealed(PageId(10)));
  EXPECT_FALSE(table_.is_sealed(PageId(11)));
  EXPECT_EQ(table_.num_used(), 2);
  apply({evict(10, 3), allocate(12, 3)});
  EXPECT_THROW(table_.slot_of(PageId(10)), Error);
  EXPECT_THROW(table_.is_sealed(PageId(10)), Error);
  EXPECT_EQ(table_.slot_of(PageId(12)), SlotId(3));
  EXPECT_EQ(table_.num_used(), 2);
  EXPECT_EQ(table_.num_slots(), 4);
  EXPECT_EQ(table_.next_plan_number(), 2U);
}

TEST_F(PageTableTest, RefusesAGapInPlanNumbers) {
  StepPlan plan;
  plan.number = 1;
  EXPECT_THROW(table_.apply(plan), Error);
}

TEST_F(PageTableTest, RefusesAnotherDigest) {
  apply({allocate(1, 0)});
  StepPlan plan;
  plan.number = 1;
  try {
    table_.apply(plan);
    FAIL() << "a plan for another cache state was accepted";
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find(table_.digest().to_string()), std::string::npos) << message;
    EXPECT_NE(message.find(Hash128{}.to_string()), std::string::npos) << message;
  }
}

TEST_F(PageTableTest, RefusesASlotInUse) {
  EXPECT_NE(message_of({allocate(1, 2), allocate(2, 2)})
                .find("page 2 in slot 2, host slot -1, open slot -1: the slot is in use"),
            std::string::npos);
}

TEST_F(PageTableTest, RefusesAPageTwice) {
  EXPECT_NE(message_of({allocate(1, 2), allocate(1, 3)}).find("there already"), std::string::npos);
}

TEST_F(PageTableTest, RefusesSlotsOutOfRange) {
  EXPECT_NE(message_of({allocate(1, 4)}).find("slots are 0 to 3"), std::string::npos);
}

TEST_F(PageTableTest, RefusesANegativeSlot) {
  EXPECT_NE(message_of({allocate(1, -1)}).find("slots are 0 to 3"), std::string::npos);
}

TEST_F(PageTableTest, RefusesUnknownPages) {
  EXPECT_NE(message_of({evict(1, 0)}).find("not there"), std::string::npos);
}

TEST_F(PageTableTest, RefusesAnotherSlotThanThePages) {
  EXPECT_NE(message_of({allocate(1, 0), evict(1, 1)}).find("the page is in slot 0"), std::string::npos);
}

TEST_F(PageTableTest, RefusesToSealTwice) {
  EXPECT_NE(message_of({allocate(1, 0), seal(1, 0), seal(1, 0)}).find("sealed already"), std::string::npos);
}

TEST_F(PageTableTest, FollowsAPageThroughTheTiers) {
  apply({allocate(1, 2), seal(1, 2), to_host(1, 2, 0), evict(1, 2)});
  EXPECT_EQ(table_.slot_of(PageId(1)), SlotId(4));  // host slot 0, behind the 4 of the device
  EXPECT_EQ(table_.open_slot_of(PageId(1)), SlotId(-1));
  EXPECT_TRUE(table_.is_sealed(PageId(1)));
  EXPECT_EQ(table_.num_host_used(), 1);
  apply({{PageOpKind::kDemote, PageId(1), SlotId(-1), Tier::kDisk, SlotId(0), {7, 7}}, to_device(1, 3, 0)});
  EXPECT_EQ(table_.slot_of(PageId(1)), SlotId(3));
  apply({leave_host(1, 0), {PageOpKind::kPromote, PageId(2), SlotId(-1), Tier::kHost, SlotId(0), {8, 8}}});
  EXPECT_TRUE(table_.is_sealed(PageId(2)));  // from the store: its id is new
  apply({{PageOpKind::kInvalidate, PageId(2), SlotId(-1), Tier::kDevice, SlotId(0)}});
  EXPECT_EQ(table_.num_host_used(), 0);
  EXPECT_EQ(table_.num_used(), 1);
}

TEST_F(PageTableTest, RefusesCopiesFromWhereAPageIsNot) {
  EXPECT_NE(message_of({allocate(1, 0), to_host(1, 0, 0)}).find("not sealed"), std::string::npos);
}

TEST_F(PageTableTest, RefusesACopyFromAnotherSlot) {
  EXPECT_NE(message_of({allocate(1, 0), seal(1, 0), to_host(1, 1, 0)}).find("the page is in slot 0"),
            std::string::npos);
}

TEST_F(PageTableTest, RefusesAHostSlotInUse) {
  EXPECT_NE(message_of({allocate(1, 0), seal(1, 0), to_host(1, 0, 0), allocate(2, 1), seal(2, 1), to_host(2, 1, 0)})
                .find("in use by page 1"),
            std::string::npos);
}

TEST_F(PageTableTest, RefusesAPromotionOfAPageThatIsThere) {
  EXPECT_NE(message_of({allocate(1, 0), seal(1, 0), to_host(1, 0, 0), to_device(1, 1, 0)}).find("in slot 0 already"),
            std::string::npos);
}

TEST_F(PageTableTest, FollowsAPageThatShrinks) {
  table_ = PageTable(4, 2, 0, 3);
  const auto shrink = [](int64_t page, int32_t host_slot, int32_t cold_slot) {
    PageOp op{PageOpKind::kTranscode, PageId(page), SlotId(-1), Tier::kHost, SlotId(host_slot)};
    op.cold_slot = SlotId(cold_slot);
    return op;
  };
  const Hash128 key{1, 2};
  apply({allocate(1, 0), seal(1, 0), to_host(1, 0, 1), evict(1, 0), shrink(1, 1, 3)});
  EXPECT_EQ(table_.num_host_used(), 1);
  apply({allocate(2, 0), seal(2, 0), to_host(2, 0, 1), to_device(1, 1, 3)});  // its slot of the host is another's
  EXPECT_EQ(table_.slot_of(PageId(1)), SlotId(1));
  EXPECT_NE(message_of({shrink(2, 1, 3)}).find("the slot is in use by page 1"), std::string::npos);
  const auto fails = [&](const PageOp& op, const char* words) {
    PageTable fresh(4, 2, 0, 3);
    StepPlan plan;
    plan.ops = {allocate(1, 0), seal(1, 0), to_host(1, 0, 1), op};
    try {
      fresh.apply(plan);
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
    }
  };
  fails(shrink(1, 0, 3), "the page is in host slot 1");
  fails(shrink(1, 1, 0), "cold slots are those from 2 on");
  fails(shrink(1, 1, 5), "slots are 0 to 4");
  fails({PageOpKind::kPromote, PageId(9), SlotId(-1), Tier::kHost, SlotId(2), key}, "does not go into a cold slot");
  PageTable fresh(4, 2, 0, 3);
  StepPlan plan;
  plan.ops = {allocate(1, 0),
              seal(1, 0),
              to_host(1, 0, 2),
              {PageOpKind::kDemote, PageId(1), SlotId(-1), Tier::kDisk, SlotId(2), key}};
  EXPECT_THROW(fresh.apply(plan), Error);
}

TEST_F(PageTableTest, AMessageTellsTheLastOps) {
  EXPECT_NE(message_of({allocate(1, 0), seal(1, 0), seal(1, 0)}).find("SEAL device of page 1 in slot 0"),
            std::string::npos);
}

}  // namespace
}  // namespace lockstep
