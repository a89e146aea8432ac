#include "cache/step_plan.h"

#include "core/error.h"

#include <cstring>
#include <gtest/gtest.h>
#include <limits>

namespace lockstep {
namespace {

StepPlan example_plan() {
  StepPlan plan;
  plan.number = 7;
  plan.digest_before = {0x0123456789abcdef, 0xfedcba9876543210};
  plan.ops = {{PageOpKind::kSeal, PageId(3), SlotId(1)}, {PageOpKind::kAllocate, PageId(int64_t{1} << 40), SlotId(2)}};
  plan.ops.push_back({PageOpKind::kTranscode, PageId(3), SlotId(-1), Tier::kHost, SlotId(4)});
  plan.ops.back().cold_slot = SlotId(9);
  plan.rows.push_back({.sequence = SequenceId(5),
                       .first_position = 128,
                       .tokens = {TokenId(1), TokenId(2), TokenId(151643)},
                       .pages = {PageId(3), PageId(4), PageId(int64_t{1} << 40)},
                       .wants_logits = true,
                       .needs_full_logits = true,
                       .score_begin = 129,
                       .score_end = 130});
  plan.rows.push_back({.sequence = SequenceId(6), .first_position = 0, .tokens = {TokenId(9)}, .pages = {PageId(4)}});
  return plan;
}

// Bytes whose checksum is right again after a change.
std::vector<std::byte> resealed(std::vector<std::byte> bytes) {
  const uint32_t crc = crc32c(std::span(bytes).first(bytes.size() - 4));
  std::memcpy(bytes.data() + bytes.size() - 4, &crc, 4);
  return bytes;
}

TEST(StepPlan, CountsTokens) { EXPECT_EQ(example_plan().num_tokens(), 4); }

TEST(StepPlan, SurvivesTheRoundTrip) {
  EXPECT_EQ(deserialize_step_plan(serialize(example_plan())), example_plan());
  StepPlan last;
  last.last = true;
  EXPECT_EQ(deserialize_step_plan(serialize(last)), last);
}

TEST(StepPlan, EveryTruncationIsRefused) {
  const auto bytes = serialize(example_plan());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_THROW(deserialize_step_plan(std::span(bytes).first(size)), FormatError) << size;
  }
}

TEST(StepPlan, EveryFlippedBitIsRefused) {
  const auto bytes = serialize(example_plan());
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    auto damaged = bytes;
    damaged[bit / 8] ^= std::byte(1 << (bit % 8));
    EXPECT_THROW(deserialize_step_plan(damaged), FormatError) << bit;
  }
}

TEST(StepPlan, ExcessBytesAreRefused) {
  auto bytes = serialize(example_plan());
  bytes.push_back(std::byte{0});
  EXPECT_THROW(deserialize_step_plan(bytes), FormatError);
}

// Damage behind a right checksum: every byte takes every value, and nothing but FormatError may come of it.
TEST(StepPlan, WrongCountsBehindARightChecksumNeverReadBeyondTheData) {
  const auto bytes = serialize(example_plan());
  int64_t refused = 0;
  for (size_t at = 0; at + 4 < bytes.size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      auto damaged = bytes;
      damaged[at] = std::byte(value);
      try {
        deserialize_step_plan(resealed(damaged));
      } catch (const FormatError&) {
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 1000);
}

TEST(StepPlan, PositionsToScoreLieWithinTheRowAndBeforeTheSampledOne) {
  const auto is_accepted = [](int64_t begin, int64_t end, bool wants_logits) {
    StepPlan plan = example_plan();  // its first row has positions 128, 129, 130
    plan.rows[0].score_begin = begin;
    plan.rows[0].score_end = end;
    plan.rows[0].wants_logits = wants_logits;
    try {
      return deserialize_step_plan(serialize(plan)) == plan;
    } catch (const FormatError&) {
      return false;
    }
  };
  EXPECT_TRUE(is_accepted(0, 0, true));
  EXPECT_TRUE(is_accepted(128, 130, true));
  EXPECT_TRUE(is_accepted(128, 131, false));
  EXPECT_FALSE(is_accepted(128, 131, true));
  EXPECT_FALSE(is_accepted(127, 130, true));
  EXPECT_FALSE(is_accepted(128, 132, false));
  EXPECT_FALSE(is_accepted(130, 129, true));
  EXPECT_FALSE(is_accepted(std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max(), true));
}

TEST(StepPlan, MessageNamesTheVersionSeen) {
  auto bytes = serialize(example_plan());
  bytes[4] = std::byte{9};
  try {
    deserialize_step_plan(resealed(bytes));
    FAIL() << "a wrong version was accepted";
  } catch (const FormatError& error) {
    EXPECT_STREQ(error.what(), "step plan: version 9, this program reads 6");
  }
}

TEST(StepPlan, DigestDependsOnKindPageSlotAndOrder) {
  const PageOp seal{PageOpKind::kSeal, PageId(1), SlotId(2)};
  const PageOp evict{PageOpKind::kEvict, PageId(1), SlotId(2)};
  EXPECT_NE(digest_after({}, seal), digest_after({}, evict));
  EXPECT_NE(digest_after({}, seal), digest_after({}, {PageOpKind::kSeal, PageId(2), SlotId(2)}));
  EXPECT_NE(digest_after({}, seal), digest_after({}, {PageOpKind::kSeal, PageId(1), SlotId(3)}));
  PageOp cold = seal;
  cold.cold_slot = SlotId(3);
  EXPECT_NE(digest_after({}, seal), digest_after({}, cold));
  EXPECT_NE(digest_after(digest_after({}, seal), evict), digest_after(digest_after({}, evict), seal));
}

}  // namespace
}  // namespace lockstep
