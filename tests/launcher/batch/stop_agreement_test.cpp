#include "launcher/batch/stop_agreement.h"

#include "launcher/runtime/stop_signals.h"

#include <csignal>
#include <gtest/gtest.h>
#include <thread>

namespace lockstep {
namespace {

class Counter final : public WorkCounter {
 public:
  int64_t fetch_add(int64_t count) override { return std::exchange(value, value + count); }
  int64_t value = 0;
};

TEST(StopAgreement, ASignalToOneRankStopsAllAndTheirClaims) {
  Counter counter;
  const StopSignals signals;
  StopAgreement told(counter), other(counter);
  EXPECT_FALSE(told.is_stopping());
  EXPECT_FALSE(other.is_stopping());
  std::raise(SIGTERM);
  told.announce();
  EXPECT_TRUE(told.is_stopping());
  while (!other.is_stopping()) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_GT(counter.fetch_add(4), 1'000'000'000'000 / 10) << "claims behind the mark find no rows";
}

TEST(StopAgreement, IdleRanksWaitForTheEndAndStillAnnounce) {
  class FinishedAfterTheStop final : public WorkCounter {
   public:
    int64_t fetch_add(int64_t count) override {
      const int64_t before = std::exchange(value, value + count);
      if (before > 0 && count == 0) value += int64_t{1} << 60;  // rank 0 has seen the mark and ends the job
      return before;
    }
    int64_t value = 0;
  };
  FinishedAfterTheStop counter;
  const StopSignals signals;
  StopAgreement idle(counter);
  std::raise(SIGTERM);
  idle.wait_for_finish();
  EXPECT_GT(counter.value, int64_t{1} << 60);
}

TEST(StopAgreement, ClaimsAloneStopNothing) {
  Counter counter;
  counter.fetch_add(10'000'000'000);
  StopAgreement stop(counter);
  EXPECT_FALSE(stop.is_stopping());
}

}  // namespace
}  // namespace lockstep
