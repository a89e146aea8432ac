#include "dist/agree.h"

#include "core/error.h"
#include "tests/support/local_ranks.h"

#include <gtest/gtest.h>
#include <stdexcept>

namespace lockstep {
namespace {

std::string failure_text(Communicator& communicator, const std::optional<std::string>& failure) {
  try {
    agree_on_failure(communicator, failure);
  } catch (const CommError& error) {
    return error.what();
  }
  return "";
}

TEST(Agree, TakesTheLowestIsa) {
  check_on_local_ranks(3, [](Communicator& c) {
    const CpuIsa mine = c.rank() == Rank(1) ? CpuIsa::kAvx2 : CpuIsa::kAvx512Bf16;
    EXPECT_EQ(agree_isa(c, mine), CpuIsa::kAvx2);
  });
}

TEST(Agree, ReturnsWhenNobodyFailed) {
  check_on_local_ranks(4, [](Communicator& c) { EXPECT_EQ(failure_text(c, std::nullopt), ""); });
}

TEST(Agree, EveryRankLearnsOfAFailure) {
  check_on_local_ranks(4, [](Communicator& c) {
    const bool fails = c.rank() == Rank(3);
    EXPECT_EQ(failure_text(c, fails ? std::optional<std::string>("no model here") : std::nullopt),
              "rank 3 failed: no model here");
    c.barrier();  // the group still works
  });
}

TEST(Agree, NamesTheFirstOfSeveralFailures) {
  check_on_local_ranks(4, [](Communicator& c) {
    const int32_t rank = c.rank().value();
    const auto mine = rank == 0 ? std::nullopt : std::optional<std::string>("fault " + std::to_string(rank));
    EXPECT_EQ(failure_text(c, mine), "rank 1 failed, and 2 more: fault 1");
  });
}

TEST(Agree, AnEmptyMessageIsAFailureToo) {
  check_on_local_ranks(2, [](Communicator& c) {
    const auto mine = c.rank() == Rank(0) ? std::optional<std::string>("") : std::nullopt;
    EXPECT_EQ(failure_text(c, mine), "rank 0 failed: ");
  });
}

TEST(Agree, RunsAPhaseOnAllOrFails) {
  check_on_local_ranks(3, [](Communicator& c) {
    EXPECT_EQ(run_on_all_or_fail(c, [&] { return c.rank().value() * 2; }), c.rank().value() * 2);
    int calls = 0;
    run_on_all_or_fail(c, [&] { ++calls; });
    EXPECT_EQ(calls, 1);
    EXPECT_THROW(run_on_all_or_fail(c,
                                    [&] {
                                      if (c.rank() == Rank(2)) LS_THROW(IoError, "cannot open");
                                    }),
                 CommError);
    EXPECT_THROW(run_on_all_or_fail(c,
                                    [&]() -> int {
                                      if (c.rank() == Rank(0)) throw std::runtime_error("plain");
                                      return 1;
                                    }),
                 CommError);
  });
}

}  // namespace
}  // namespace lockstep
