#include "dist/comm/mpi/mpi_communicator.h"
#include "tests/dist/plan_channel_cases.h"
#include "tests/support/rank_environment.h"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

TEST(MpiPlanChannel, CarriesPlansInOrder) {
  plan_channel_cases::carries_plans_in_order(*make_mpi_communicator(rank_environment()), 200);
}

TEST(MpiPlanChannel, AGapStopsEveryRank) {
  plan_channel_cases::a_gap_stops_every_rank(*make_mpi_communicator(rank_environment()));
}

}  // namespace
}  // namespace lockstep
