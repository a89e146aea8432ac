// What `lockstep bench claims` makes of its measurements: verdicts, spreads by pairs, texts, and commands.
#include "core/error.h"
#include "launcher/commands/bench/claims_table.h"
#include "tests/support/expect_throw.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>

namespace lockstep::bench {
namespace {

using testing::HasSubstr;
using testing_support::expect_throw;

Spread exactly(double value) { return {value, value, value}; }

TEST(Claims, NamesAreDifferentAndInOrder) {
  const std::vector<std::string> all = chosen_claims("");
  EXPECT_EQ(all.size(), claim_specs().size());
  EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), all.size());
  EXPECT_EQ(chosen_claims("latency,reuse,latency"), (std::vector<std::string>{"reuse", "latency"}));
  for (const char* wrong : {"speed", "reuse,,latency", "Reuse", " reuse"})
    expect_throw<ConfigError>([&] { chosen_claims(wrong); }, {"only", "mixed-precision"});
  EXPECT_THROW(claim_spec("speed"), Error);
}

TEST(Claims, TheMedianDecides) {
  const Claim holds = judged("sparse-speed", {2.0, 1.5, 3.0}, "how", "reason");
  EXPECT_EQ(holds.verdict, Verdict::kHolds);
  EXPECT_EQ(holds.reason, "");
  EXPECT_EQ(holds.measured, "2.00 x (1.50..3.00)");
  const Claim against = judged("sparse-speed", {1.99, 1.5, 3.0}, "how", "reason");
  EXPECT_EQ(against.verdict, Verdict::kDoesNotHold);
  EXPECT_EQ(against.reason, "reason");
  EXPECT_EQ(judged("latency", exactly(0.79), "", "x").verdict, Verdict::kDoesNotHold);
  EXPECT_EQ(judged("latency", exactly(0.81), "", "x").verdict, Verdict::kHolds);
  EXPECT_EQ(judged("kv4-accuracy", exactly(0.98), "", "x").verdict, Verdict::kDoesNotHold);
}

TEST(Claims, WhatFollowsFromSizesCannotHoldElsewhereEither) {
  const Claim claim = judged_for_all("kv4-bytes", 0.723, "how", "reason");
  EXPECT_EQ(claim.verdict, Verdict::kCannotHold);
  EXPECT_EQ(claim.measured, "-72.3 %");
  EXPECT_EQ(claim.reason, "reason");
  EXPECT_EQ(judged_for_all("kv4-bytes", 0.75, "how", "reason").verdict, Verdict::kHolds);
}

TEST(Claims, AShareIsJudgedByWhatIsAttainable) {
  EXPECT_EQ(judged_within("hit-rate", exactly(0.92), 0.93, "").verdict, Verdict::kHolds);
  EXPECT_EQ(judged_within("hit-rate", exactly(0.80), 0.93, "").verdict, Verdict::kDoesNotHold);
  const Claim claim = judged_within("hit-rate", exactly(0.80), 0.82, "");
  EXPECT_EQ(claim.verdict, Verdict::kCannotHold);
  EXPECT_THAT(claim.reason, HasSubstr("82.0 %"));
}

TEST(Claims, WhatIsNotMeasuredHasNoFigure) {
  const Claim claim = not_measurable("parallel", "one worker", "how");
  EXPECT_FALSE(claim.value);
  EXPECT_EQ(claim.verdict, Verdict::kNotMeasurable);
  EXPECT_TRUE(to_json(claim)["value"].is_null());
  EXPECT_EQ(to_json(claim)["verdict"], "not measurable here");
  EXPECT_EQ(to_json(claim)["reason"], "one worker");
}

TEST(Claims, TextsOfUnits) {
  EXPECT_EQ(text_of(ClaimUnit::kFactor, exactly(6.1)), "6.10 x");
  EXPECT_EQ(text_of(ClaimUnit::kShare, exactly(0.995)), "99.5 %");
  EXPECT_EQ(text_of(ClaimUnit::kShare, {0.9, 0.85, 0.95}), "90.0 % (85.0..95.0)");
  EXPECT_EQ(text_of(ClaimUnit::kSaving, {0.8, 0.7, 0.9}), "-80.0 % (-90.0..-70.0)");
  EXPECT_EQ(text_of(ClaimUnit::kSaving, exactly(-0.016)), "+1.6 %");
}

// Not the ratio of the medians: a disturbance hits both of a pair.
TEST(Claims, PairsAreComparedWithEachOther) {
  const std::vector<double> first{10.0, 20.0, 60.0}, second{5.0, 5.0, 20.0};
  const Spread speedup = speedup_of(first, second);
  EXPECT_EQ(speedup.low, 2.0);
  EXPECT_EQ(speedup.median, 3.0);
  EXPECT_EQ(speedup.high, 4.0);
  const Spread saving = saving_of(first, second);
  EXPECT_EQ(saving.low, 0.5);
  EXPECT_DOUBLE_EQ(saving.median, 2.0 / 3.0);
  EXPECT_EQ(saving.high, 0.75);
  EXPECT_THROW(speedup_of(first, std::vector<double>{1.0}), Error);
}

TEST(Claims, TheCommandRepeatsOneClaim) {
  const std::vector<std::string> arguments{"--model",     "a b'c",  "--only", "reuse,latency", "--repeats=2",
                                           "--json=x.js", "--json", "y.js",   "--only=latency"};
  EXPECT_EQ(command_for("latency", arguments, 1),
            "lockstep bench claims --model 'a b'\\''c' --repeats=2 --only latency");
  EXPECT_EQ(command_for("reuse", {}, 4), "mpirun -n 4 lockstep bench claims --only reuse");
}

TEST(Claims, LinesSayAll) {
  Claim claim = judged("reuse", exactly(3.0), "how it was", "why not");
  claim.command = "the command";
  const std::string lines = table_lines(claim);
  for (const char* part : {"reuse", "5-10 x", "3.00 x", "does not hold", "why not", "how it was", "the command"})
    EXPECT_THAT(lines, HasSubstr(part));
  EXPECT_EQ(lines.back(), '\n');
  EXPECT_THAT(table_lines(judged("reuse", exactly(5.0), "how", "why not")), testing::Not(HasSubstr("why")));
}

}  // namespace
}  // namespace lockstep::bench
