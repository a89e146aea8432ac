// The kinds of `lockstep bench`, each a command of its own: same parameters and exit codes as launcher/commands/.
#pragma once

#include <string>
#include <vector>

namespace lockstep {
class Communicator;
class MpiEnvironment;
}  // namespace lockstep

namespace lockstep::bench {

using Kind = int(const MpiEnvironment& mpi, Communicator& world, const std::vector<std::string>& arguments);

Kind replica_command;  // without a name: prefill and decode of a model as a batch job sees them
Kind kernels_command;
Kind decode_command;
Kind prefill_command;
Kind latency_command;
Kind cache_command;
Kind claims_command;

}  // namespace lockstep::bench
