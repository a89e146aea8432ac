#include "cache/transfer/fault_plan.h"

#include "core/error.h"
#include "tests/support/expect_throw.h"

#include <gtest/gtest.h>

namespace lockstep::test {
namespace {

using testing_support::expect_throw;

FaultPlan plan_of(std::string_view text, int rank = 0) { return {parse_faults(text), Rank(rank)}; }

/// Numbers of the transfers on `channel` that fail, of the first `count`.
std::vector<int> failing(FaultPlan plan, int count, TransferChannel channel = TransferChannel::kToHost) {
  std::vector<int> numbers;
  for (int i = 1; i <= count; ++i) {
    if (plan.next(channel).failure) numbers.push_back(i);
  }
  return numbers;
}

TEST(FaultPlan, ReadsRules) {
  const auto rules = parse_faults("host_copy:rank=1:nth=3,delay:ms=0.5:probability=0.25:seed=9,diverge:rank=2:step=40");
  ASSERT_EQ(rules.size(), 3U);
  EXPECT_EQ(rules[0].kind, FaultKind::kHostCopy);
  EXPECT_EQ(rules[0].rank, Rank(1));
  EXPECT_EQ(rules[0].nth, 3U);
  EXPECT_EQ(rules[1].kind, FaultKind::kDelay);
  EXPECT_EQ(rules[1].delay.count(), 500);
  EXPECT_EQ(rules[1].probability, 0.25);
  EXPECT_EQ(rules[1].seed, 9U);
  EXPECT_EQ(rules[2].kind, FaultKind::kDiverge);
  EXPECT_EQ(rules[2].step, 40U);
  EXPECT_TRUE(parse_faults("").empty());
}

TEST(FaultPlan, StrikesAsTheRulesSay) {
  EXPECT_EQ(failing(plan_of("host_copy"), 3), (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(failing(plan_of("host_copy:nth=2"), 5), std::vector<int>{2});
  EXPECT_EQ(failing(plan_of("host_copy:every=2"), 5), (std::vector<int>{2, 4}));
  EXPECT_EQ(failing(plan_of("host_copy:nth=2,host_copy:nth=4"), 5), (std::vector<int>{2, 4}));
  EXPECT_EQ(failing(plan_of("host_copy:rank=1:nth=2"), 5), std::vector<int>{});
  EXPECT_EQ(failing(plan_of("host_copy:rank=1:nth=2", 1), 5), std::vector<int>{2});
  EXPECT_EQ(failing(plan_of("host_copy:probability=0"), 50), std::vector<int>{});
  EXPECT_EQ(failing(plan_of("host_copy:probability=1"), 50).size(), 50U);
}

TEST(FaultPlan, ProbabilityIsAFunctionOfSeedRankAndCount) {
  const auto first = failing(plan_of("host_copy:probability=0.3:seed=5"), 1000);
  EXPECT_EQ(failing(plan_of("host_copy:probability=0.3:seed=5"), 1000), first);
  EXPECT_NE(failing(plan_of("host_copy:probability=0.3:seed=6"), 1000), first);
  EXPECT_NE(failing(plan_of("host_copy:probability=0.3:seed=5", 1), 1000), first);
  EXPECT_GT(first.size(), 230U);
  EXPECT_LT(first.size(), 370U);
}

TEST(FaultPlan, CountsOnlyWhatAKindCanStrike) {
  FaultPlan plan = plan_of("host_copy:nth=2,disk_read,bit_flip:channel=from_disk,enospc:nth=1,timeout:channel=to_disk");
  EXPECT_FALSE(plan.next(TransferChannel::kToHost).failure);
  TransferFaults faults = plan.next(TransferChannel::kToDisk);
  EXPECT_EQ(faults.failure, "injected: no space left on the device");
  EXPECT_TRUE(faults.hangs);
  EXPECT_TRUE(plan.next(TransferChannel::kToDevice).failure);
  faults = plan.next(TransferChannel::kFromDisk);
  EXPECT_TRUE(faults.failure);
  EXPECT_TRUE(faults.flips_bit);
  EXPECT_FALSE(plan.next(TransferChannel::kToHost).flips_bit);
}

TEST(FaultPlan, DivergesOnOneRankAtOnePlan) {
  EXPECT_TRUE(plan_of("diverge:rank=2:step=40", 2).diverges(40));
  EXPECT_FALSE(plan_of("diverge:rank=2:step=40", 2).diverges(41));
  EXPECT_FALSE(plan_of("diverge:rank=2:step=40", 1).diverges(40));
}

TEST(FaultPlan, RefusesWhatItDoesNotKnow) {
  const auto fails = [](std::string_view text, const std::vector<std::string_view>& words) {
    expect_throw<ConfigError>([&] { parse_faults(text); }, words);
  };
  fails("host_cpy:nth=3", {"host_cpy", "unknown kind", "accepted", "host_copy"});
  fails("host_copy,", {"unknown kind"});
  fails("host_copy:nth=0", {"nth is \"0\"", "1 to"});
  fails("host_copy:nth=x", {"nth is \"x\""});
  fails("host_copy:nth", {"nth is \"\""});
  fails("host_copy:probability=1.5", {"probability", "0 to 1"});
  fails("host_copy:probability=nan", {"probability"});
  fails("host_copy:rank=-1", {"rank is \"-1\""});
  fails("host_copy:nth=1:every=2", {"exclude each other"});
  fails("host_copy:ms=1", {"unknown parameter \"ms\""});
  fails("delay", {"needs ms"});
  fails("diverge:step=4", {"needs rank and step"});
  fails("diverge:rank=0", {"needs rank and step"});
  fails("disk_read:channel=to_host", {"does not occur on that channel"});
  fails("timeout:channel=up", {"unknown channel \"up\"", "from_disk"});
}

}  // namespace
}  // namespace lockstep::test
