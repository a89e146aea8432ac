#include "dist/comm/mpi/launcher_hint.h"

#include "core/error.h"

#include <gtest/gtest.h>
#include <map>
#include <string>

namespace lockstep {
namespace {

std::optional<LauncherHint> hint_of(const std::map<std::string, std::string>& variables) {
  return launcher_hint([&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

TEST(LauncherHint, APlainProcessHasNone) {
  EXPECT_FALSE(hint_of({}));
  EXPECT_FALSE(hint_of({{"SLURM_NTASKS", "8"}}));  // set in batch scripts too, where a plain process is in order
  EXPECT_FALSE(hint_of({{"PMI_SIZE", "many"}}));
  EXPECT_NO_THROW(require_connected(std::nullopt, 1));
}

TEST(LauncherHint, TakesTheNearestLauncher) {
  EXPECT_EQ(hint_of({{"SLURM_STEP_NUM_TASKS", "4"}})->ranks, 4);
  EXPECT_EQ(hint_of({{"PMI_SIZE", "3"}, {"SLURM_STEP_NUM_TASKS", "4"}})->ranks, 3);
  // mpirun -n 1 within a Slurm job of several nodes: one rank is what was asked for.
  EXPECT_EQ(hint_of({{"OMPI_COMM_WORLD_SIZE", "1"}, {"SLURM_STEP_NUM_TASKS", "4"}})->ranks, 1);
}

TEST(LauncherHint, RanksThatMpiDidNotConnectAreAnError) {
  try {
    require_connected(hint_of({{"SLURM_STEP_NUM_TASKS", "4"}}), 1);
    FAIL() << "nothing was thrown";
  } catch (const ConfigError& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("4 ranks (SLURM_STEP_NUM_TASKS)"), std::string::npos) << text;
    EXPECT_NE(text.find("--mpi=pmix"), std::string::npos) << text;
  }
  EXPECT_NO_THROW(require_connected(hint_of({{"SLURM_STEP_NUM_TASKS", "4"}}), 4));
  EXPECT_NO_THROW(require_connected(hint_of({{"OMPI_COMM_WORLD_SIZE", "1"}}), 1));
}

}  // namespace
}  // namespace lockstep
