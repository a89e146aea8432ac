// Cases of the plan channel for every transport, written as one rank's side.
#pragma once

#include "dist/communicator.h"

namespace lockstep::plan_channel_cases {

/// `num_plans` plans of very different sizes arrive unchanged and in order.
void carries_plans_in_order(Communicator& communicator, int num_plans);
/// A gap in the numbers is a CommError on every rank, the leader included.
void a_gap_stops_every_rank(Communicator& communicator);

}  // namespace lockstep::plan_channel_cases
