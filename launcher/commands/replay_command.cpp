#include "launcher/batch/file.h"
#include "launcher/batch/progress.h"
#include "launcher/commands/command.h"
#include "launcher/commands/parse.h"
#include "launcher/replay/run_replay.h"

#include <cstdio>

namespace lockstep {

int replay_command(const MpiEnvironment&, Communicator& world, const std::vector<std::string>& arguments) {
  ReplaySettings settings;
  OptionSet options(
      "lockstep replay --trace FILE --capacity N,N,… [options]",
      "Runs eviction policies alone over a trace of requests, without a model: how many of the requested blocks would\n"
      "have been in the cache, for any sizes of the cache and policies side by side. docs/replay.md defines all "
      "figures.");
  settings.add_to(options);
  if (const auto code = parse_or_print(world, options, arguments, [&] { settings.validate(); })) return *code;
  if (world.rank().value() != 0) return 0;

  const bool is_terminal = stderr_is_terminal();
  constexpr const char* kClearLine = "\r\033[K";
  const auto progress = [&](const std::string& text) {
    if (is_terminal) std::fprintf(stderr, "%s%s", kClearLine, text.c_str());
  };
  const ReplayReport report = run_replay(settings, progress);
  progress("");

  const std::string csv = settings.csv.empty() ? "" : csv_of(report);
  std::fputs(settings.csv == "-" ? csv.c_str() : table_of(report).c_str(), stdout);
  if (!settings.csv.empty() && settings.csv != "-") write_file_atomically(settings.csv, csv);
  if (!settings.plot.empty()) write_file_atomically(settings.plot, plot_of(report));
  return 0;
}

}  // namespace lockstep
