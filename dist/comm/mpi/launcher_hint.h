// What the environment says about how many ranks were started, to notice ranks that MPI did not connect.
//
// A binary started by a launcher of another MPI, or by srun without a process-management plugin, comes up as many jobs
// of one rank each, all doing the same work. That must be an error.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace lockstep {

struct LauncherHint {
  std::string variable;  // the environment variable that tells
  int32_t ranks = 0;
};

/// Looks variables up by `environment` (null if unset). nullopt: nothing tells, a plain process.
std::optional<LauncherHint> launcher_hint(const std::function<const char*(const char*)>& environment);

/// Throws ConfigError if MPI connects one rank where the launcher started several.
void require_connected(const std::optional<LauncherHint>& hint, int32_t world_size);

}  // namespace lockstep
