#include "dist/plan_channel.h"

#include "core/error.h"

namespace lockstep {

PlanChannel::PlanChannel(Communicator& communicator) : communicator_(communicator) {}

StepPlan PlanChannel::exchange(const StepPlan* plan) {
  const Rank leader(0);
  const bool is_leader = communicator_.rank() == leader;
  LS_CHECK(is_leader == (plan != nullptr), "rank {} {} a plan; the leader, rank 0, alone publishes",
           communicator_.rank().value(), plan ? "passed" : "did not pass");

  // The leader's number is checked after the broadcast, so that a wrong one stops all ranks and not only the leader.
  StepPlan received;
  if (communicator_.size() == 1) {
    received = *plan;
  } else if (is_leader) {
    broadcast_bytes(communicator_, serialize(*plan), leader);
    received = *plan;
  } else {
    received = deserialize_step_plan(broadcast_bytes(communicator_, {}, leader));
  }
  LS_REQUIRE(CommError, received.number == next_number_, "plan {} arrived where plan {} was due", received.number,
             next_number_);
  ++next_number_;
  return received;
}

}  // namespace lockstep
