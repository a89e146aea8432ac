#include "launcher/commands/bench/kinds.h"
#include "launcher/commands/command.h"

#include <array>

namespace lockstep {
namespace {

struct NamedKind {
  const char* name;
  bench::Kind* run;
};
constexpr std::array kKinds{NamedKind{"kernels", bench::kernels_command}, NamedKind{"decode", bench::decode_command},
                            NamedKind{"prefill", bench::prefill_command}, NamedKind{"latency", bench::latency_command},
                            NamedKind{"cache", bench::cache_command},     NamedKind{"claims", bench::claims_command}};

}  // namespace

int bench_command(const MpiEnvironment& mpi, Communicator& world, const std::vector<std::string>& arguments) {
  for (const NamedKind& kind : kKinds) {
    if (!arguments.empty() && arguments.front() == kind.name)
      return kind.run(mpi, world, {arguments.begin() + 1, arguments.end()});
  }
  return bench::replica_command(mpi, world, arguments);
}

}  // namespace lockstep
