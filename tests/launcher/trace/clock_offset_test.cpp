#include "launcher/trace/clock_offset.h"

#include "core/trace.h"
#include "tests/support/local_ranks.h"

#include <cstdlib>
#include <gtest/gtest.h>

namespace lockstep {
namespace {

// Two ranks a machine, as on nodes; the clock of each machine is off by a constant.
int64_t machine_of(const Communicator& world) { return world.rank().value() / 2; }
int64_t skew(int64_t machine) { return (machine * machine - 3 * machine) * 1'000'000'007; }

TEST(ClockOffset, FindsTheSkewOfEveryMachine) {
  for (const int32_t ranks : {1, 2, 5}) {
    check_on_local_ranks(ranks, [](Communicator& world) {
      const int64_t machine = machine_of(world);
      const auto now = [machine] { return Tracer::now() + skew(machine); };
      const ClockOffset found = measure_clock_offset(world, "machine " + std::to_string(machine), now);
      EXPECT_LE(std::abs(found.nanoseconds - skew(machine)), found.uncertainty + 1) << "machine " << machine;
      EXPECT_LE(std::abs(found.at - now()), 10'000'000'000);
      if (machine == 0) {
        EXPECT_EQ(found.nanoseconds, 0);
        EXPECT_EQ(found.uncertainty, 0);
      }
    });
  }
}

TEST(ClockOffset, RanksOfOneMachineShareItsClock) {
  check_on_local_ranks(3, [](Communicator& world) {
    const int64_t rank = world.rank().value();
    const ClockOffset found =
        measure_clock_offset(world, this_machine(), [rank] { return Tracer::now() + rank * 1'000'000; });
    EXPECT_EQ(found.nanoseconds, 0);
  });
}

TEST(ClockOffset, DriftIsSpreadOverTheTimeBetween) {
  const ClockOffset first{.at = 1000, .nanoseconds = 500}, last{.at = 2000, .nanoseconds = 540};
  EXPECT_EQ(on_clock_of_rank_0(1000, first, last), 500);
  EXPECT_EQ(on_clock_of_rank_0(1500, first, last), 980);
  EXPECT_EQ(on_clock_of_rank_0(2000, first, last), 1460);
  EXPECT_EQ(on_clock_of_rank_0(1500, first, first), 1000);
}

}  // namespace
}  // namespace lockstep
