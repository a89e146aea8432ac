#include "dist/comm/mpi/mpi_environment.h"

#include "core/error.h"
#include "tests/support/rank_environment.h"

#include <cstdlib>
#include <gtest/gtest.h>
#include <string>

namespace lockstep {
namespace {

TEST(MpiEnvironment, KnowsItsPlace) {
  const MpiEnvironment& environment = rank_environment();
  EXPECT_GE(environment.world_rank().value(), 0);
  EXPECT_LT(environment.world_rank().value(), environment.world_size());
  EXPECT_GE(environment.node_rank(), 0);
  EXPECT_LT(environment.node_rank(), environment.node_size());
  EXPECT_LE(environment.node_size(), environment.world_size());
  EXPECT_FALSE(environment.library_version().empty());
  // A plain process has no launcher to compare with.
  if (const char* ranks = std::getenv("OMPI_COMM_WORLD_SIZE")) {
    EXPECT_EQ(std::to_string(environment.world_size()), ranks);
  }
}

TEST(MpiEnvironment, ThereIsOneInAProcess) { EXPECT_THROW(MpiEnvironment(), Error); }

}  // namespace
}  // namespace lockstep
