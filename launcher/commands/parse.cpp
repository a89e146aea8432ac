#include "launcher/commands/parse.h"

#include "launcher/commands/command.h"
#include "launcher/phase.h"

#include <cstdio>

namespace lockstep {

std::optional<int> parse_or_print(Communicator& world, OptionSet& options, const std::vector<std::string>& arguments,
                                  const std::function<void()>& check) {
  run_phase(world, kExitUsage, [&] {
    options.parse(arguments);
    if (!options.wants_help() && !options.wants_config()) check();
  });
  if (!options.wants_help() && !options.wants_config()) return std::nullopt;
  const std::string text = options.wants_help() ? options.help() : options.config_text();
  if (world.rank().value() == 0) std::fputs(text.c_str(), stdout);
  return 0;
}

}  // namespace lockstep
