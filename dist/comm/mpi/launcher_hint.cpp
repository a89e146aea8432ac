#include "dist/comm/mpi/launcher_hint.h"

#include "core/error.h"

#include <charconv>
#include <string_view>

namespace lockstep {

std::optional<LauncherHint> launcher_hint(const std::function<const char*(const char*)>& environment) {
  // The nearest launcher first: mpirun under Slurm starts its daemons by srun, which leaves its own variables.
  for (const char* variable : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"}) {
    const char* text = environment(variable);
    if (text == nullptr) continue;
    const std::string_view digits(text);
    int32_t ranks = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), ranks);
    if (error == std::errc{} && end == digits.data() + digits.size()) return LauncherHint{variable, ranks};
  }
  return std::nullopt;
}

void require_connected(const std::optional<LauncherHint>& hint, int32_t world_size) {
  if (!hint || hint->ranks <= 1 || world_size > 1) return;
  LS_THROW(ConfigError,
           "the launcher started {} ranks ({}), but MPI connects only this one: start with the mpirun of the MPI that "
           "lockstep is linked with, or with srun --mpi=pmix",
           hint->ranks, hint->variable);
}

}  // namespace lockstep
