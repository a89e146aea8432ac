// Carries StepPlans from the leader to every rank of its tensor-parallel group, in order.
#pragma once

#include "cache/step_plan.h"
#include "dist/communicator.h"

#include <memory>

namespace lockstep {

/// Collective. Not thread-safe: one engine loop per object.
class PlanChannel {
 public:
  explicit PlanChannel(Communicator& communicator);

  /// The leader (rank 0) passes its plan and gets it back; the others pass nullptr and receive it. Blocks the others
  /// until the leader publishes. Throws CommError on a gap in plan numbers, FormatError on damaged bytes.
  StepPlan exchange(const StepPlan* plan);

 private:
  Communicator& communicator_;
  uint64_t next_number_ = 0;
};

}  // namespace lockstep
