#include "dist/comm/transport.h"

#include "core/error.h"
#include "dist/comm/mpi/mpi_communicator.h"
#include "dist/comm/nccl/nccl_communicator.h"

#include <array>
#include <utility>

namespace lockstep {
namespace {

constexpr std::array<std::pair<Transport, std::string_view>, 4> kNames = {{
    {Transport::kAuto, "auto"},
    {Transport::kMpi, "mpi"},
    {Transport::kSharedMemory, "shared_memory"},
    {Transport::kNccl, "nccl"},
}};

}  // namespace

std::string_view name_of(Transport transport) {
  for (const auto& [value, name] : kNames) {
    if (value == transport) return name;
  }
  LS_THROW(Error, "transport number {}", static_cast<int>(transport));
}

Transport parse_transport(std::string_view text) {
  for (const auto& [value, name] : kNames) {
    if (name == text) return value;
  }
  LS_THROW(ConfigError, "unknown transport '{}'; accepted: auto, mpi, shared_memory, nccl", text);
}

std::unique_ptr<Communicator> make_world_communicator(const MpiEnvironment& environment, Transport transport,
                                                      Device device) {
  if (transport != Transport::kNccl) return make_mpi_communicator(environment, transport);
  return make_nccl_communicator(make_mpi_communicator(environment, Transport::kAuto), device);
}

}  // namespace lockstep
