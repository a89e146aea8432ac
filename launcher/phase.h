// Phases before the first step: local work that may fail on one rank only. All ranks learn of it together, rank 0 tells
// the user once, and every rank ends with the same exit code.
#pragma once

#include "core/error.h"
#include "core/hash.h"
#include "dist/agree.h"
#include "dist/communicator.h"

#include <string>

namespace lockstep {

/// Thrown on every rank at once; the message names the rank that failed where it was not all of them.
class PhaseFailure : public Error {
 public:
  PhaseFailure(const std::string& message, int exit_code) : Error({}, message), exit_code_(exit_code) {}
  int exit_code() const { return exit_code_; }

 private:
  int exit_code_;
};

/// Runs `phase` on every rank. Ranks: collective. Throws: PhaseFailure on every rank if it threw on any.
template <class Phase>
auto run_phase(Communicator& world, int exit_code, Phase&& phase) {
  try {
    return run_on_all_or_fail(world, std::forward<Phase>(phase));
  } catch (const CommError& error) {
    throw PhaseFailure(error.what(), exit_code);
  }
}

/// Throws PhaseFailure on every rank, naming `what`, unless all ranks have the same value. Ranks: collective.
void require_equal(Communicator& world, const std::string& what, const Hash128& value);

}  // namespace lockstep
