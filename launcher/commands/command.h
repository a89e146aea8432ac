// The commands of the program, by name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

class Communicator;
class MpiEnvironment;

// Exit codes, the same on every rank. A job that a signal stopped ends with 128 and the signal's number.
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitRowErrors = 3;
inline constexpr int kExitSignalBase = 128;

struct Command {
  const char* name;
  const char* summary;
  /// Runs on every rank with the arguments behind the command's name; returns the exit code. Throws on a fault.
  int (*run)(const MpiEnvironment& mpi, Communicator& world, const std::vector<std::string>& arguments);
};

/// nullptr if there is no such command.
const Command* find_command(std::string_view name);
/// Text of `lockstep --help`.
std::string overview();
/// "0.1.0".
const char* version();

int cache_command(const MpiEnvironment& mpi, Communicator& world, const std::vector<std::string>& arguments);
int eval_command(const MpiEnvironment& mpi, Communicator& world, const std::vector<std::string>& arguments);
int generate_command(const MpiEnvironment& mpi, Communicator& world, const std::vector<std::string>& arguments);
int info_command(const MpiEnvironment& mpi, Communicator& world, const std::vector<std::string>& arguments);
int bench_command(const MpiEnvironment& mpi, Communicator& world, const std::vector<std::string>& arguments);
int replay_command(const MpiEnvironment& mpi, Communicator& world, const std::vector<std::string>& arguments);
int tokenize_command(const MpiEnvironment& mpi, Communicator& world, const std::vector<std::string>& arguments);

}  // namespace lockstep
