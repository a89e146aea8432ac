// How far a rank's clock is from rank 0's, so that the spans of all ranks stand on one axis (launcher/trace/).
//
// Ranks of one machine share its steady clock. Others are asked for their time by rank 0: the answer was given at some
// moment between question and arrival, and of many such brackets the shortest counts (Cristian 1989). Two measurements,
// at the start and the end of a job, tell how the clocks drifted apart.
#pragma once

#include "dist/communicator.h"

#include <cstdint>
#include <functional>
#include <string>

namespace lockstep {

struct ClockOffset {
  int64_t at = 0;           // when it was measured, on this rank's clock
  int64_t nanoseconds = 0;  // this rank's clock minus rank 0's
  int64_t uncertainty = 0;  // nanoseconds to either side
};

/// `machine`: equal on ranks that share a clock. `now`: this rank's clock in nanoseconds.
/// Ranks: collective; blocks for some tens of round trips a machine.
ClockOffset measure_clock_offset(Communicator& world, const std::string& machine, const std::function<int64_t()>& now);

/// `time` on rank 0's clock, by two measurements and a straight line between them.
int64_t on_clock_of_rank_0(int64_t time, const ClockOffset& first, const ClockOffset& last);

/// What names this machine and its present boot.
std::string this_machine();

}  // namespace lockstep
