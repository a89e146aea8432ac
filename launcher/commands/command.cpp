#include "launcher/commands/command.h"

#include <array>
#include <fmt/format.h>

namespace lockstep {
namespace {

constexpr std::array kCommands{
    Command{"generate", "answer a file of requests: mpirun -n N lockstep generate --model DIR --input F --output G",
            generate_command},
    Command{"info", "print a model's architecture, sizes, sharding, and the memory a rank needs", info_command},
    Command{"bench",
            "measure prefill, decode, latency and single operations, of a model or of random weights of its shape",
            bench_command},
    Command{"eval", "score questions or a text under several settings: what compressed pages or sparse attention cost",
            eval_command},
    Command{"cache", "inspect, verify, warm and purge the directory of a disk cache", cache_command},
    Command{"replay", "run eviction policies alone over a trace of requests", replay_command},
    Command{"tokenize", "text to token ids and back", tokenize_command},
};

}  // namespace

const Command* find_command(std::string_view name) {
  for (const Command& command : kCommands) {
    if (name == command.name) return &command;
  }
  return nullptr;
}

std::string overview() {
  std::string text =
      "Usage: lockstep COMMAND [options]        (under mpirun or srun: one process per GPU or CPU share)\n\n"
      "Generates text for a whole file of requests on many ranks, and survives being killed.\n\nCommands:\n";
  for (const Command& command : kCommands) text += fmt::format("  {:10} {}\n", command.name, command.summary);
  return text + "\n`lockstep COMMAND --help` lists a command's options; `lockstep --version` prints the version.\n";
}

const char* version() { return LOCKSTEP_VERSION; }

}  // namespace lockstep
