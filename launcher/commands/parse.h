// What every command does with its arguments first.
#pragma once

#include "core/settings/option_set.h"
#include "dist/communicator.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace lockstep {

/// Parses and runs `check` on the values; for --help and --print-config prints on rank 0 and returns the exit code 0 to
/// stop with. Ranks: collective. Throws: PhaseFailure with kExitUsage on every rank.
std::optional<int> parse_or_print(Communicator& world, OptionSet& options, const std::vector<std::string>& arguments,
                                  const std::function<void()>& check);

}  // namespace lockstep
