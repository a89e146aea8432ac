// `lockstep cache warm`: computes the prompts of a requests file and leaves their whole pages in a disk store, for jobs
// to come.
#pragma once

#include <string>
#include <vector>

namespace lockstep {

class Communicator;
class MpiEnvironment;

/// Ranks: collective over the world, like every command; `arguments` stand behind "warm". Returns the exit code.
int cache_warm_command(const MpiEnvironment& mpi, Communicator& world, const std::vector<std::string>& arguments);

}  // namespace lockstep
