// The program `lockstep`: first stop on the main path. Picks the command, and is the only place that catches: it prints
// what went wrong with the rank, and ends every rank. The next stop is launcher/engine.h, by way of
// launcher/commands/generate_command.cpp.
#include "core/error.h"
#include "core/log.h"
#include "dist/comm/mpi/mpi_communicator.h"
#include "dist/comm/mpi/mpi_environment.h"
#include "launcher/commands/command.h"
#include "launcher/phase.h"

#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <vector>

namespace {

using namespace lockstep;

// A fault of this rank alone: said once here, then all ranks end, so that none waits for it.
int fail(const MpiEnvironment& mpi, const std::string& message) {
  log_error("{}", message);
  if (mpi.world_size() > 1) mpi.abort(kExitFailure);
  return kExitFailure;
}

int run(const MpiEnvironment& mpi, const Command& command, const std::vector<std::string>& arguments) {
  try {
    const std::unique_ptr<Communicator> world = make_mpi_communicator(mpi);
    return command.run(mpi, *world, arguments);
  } catch (const PhaseFailure& failure) {  // on every rank at once
    if (mpi.world_rank().value() == 0) log_error("{}", failure.what());
    return failure.exit_code();
  } catch (const Error& error) {
    return fail(mpi, is_user_error(error) ? error.what() : error.describe());
  } catch (const std::exception& error) {
    return fail(mpi, std::string("unexpected failure: ") + error.what());
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const Command* command = arguments.empty() ? nullptr : find_command(arguments.front());
  if (command == nullptr) {
    const bool asked = !arguments.empty() && (arguments.front() == "--help" || arguments.front() == "-h");
    if (!arguments.empty() && arguments.front() == "--version") {
      std::printf("lockstep %s\n", version());
      return 0;
    }
    if (!asked && !arguments.empty())
      std::fprintf(stderr, "lockstep: unknown command '%s'\n", arguments.front().c_str());
    std::fputs(overview().c_str(), asked ? stdout : stderr);
    return asked ? 0 : kExitUsage;
  }
  try {
    const MpiEnvironment mpi;
    configure_log(LogLevel::kInfo, mpi.world_rank(), mpi.world_size());
    return run(mpi, *command, {arguments.begin() + 1, arguments.end()});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "lockstep: MPI does not start: %s\n", error.what());
    return kExitFailure;
  }
}
