#include "dist/comm/transport.h"

#include "core/error.h"
#include "dist/comm/mpi/mpi_communicator.h"
#include "dist/comm/nccl/nccl_communicator.h"
#include "dist/comm/staged/staged_communicator.h"

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

std::unique_ptr<Communicator> make_device_communicator(std::unique_ptr<Communicator> host, Transport transport,
                                                       Device device, std::string* reason, bool fuses_norm) {
  std::string why;
  bool takes_nccl = transport == Transport::kNccl;
  if (takes_nccl) {
    why = "as asked for";
  } else if (transport == Transport::kAuto) {
    why = host->size() > 1 ? why_not_nccl(*host, gather_gpu_places(*host, device)) : "";
    takes_nccl = why.empty();
    if (takes_nccl) why = "every rank has a GPU of its own";
  } else {
    why = fmt::format("transport {} was asked for", name_of(transport));
  }
  std::unique_ptr<Communicator> made = takes_nccl
                                           ? make_nccl_communicator(std::move(host), device, {.fuses_norm = fuses_norm})
                                           : make_staged_communicator(std::move(host), device);
  if (reason != nullptr) {
    *reason =
        fmt::format("sums over ranks by {}{}: {}", made->transport(), takes_nccl ? "" : ", through the host", why);
  }
  return made;
}

std::unique_ptr<Communicator> make_world_communicator(const MpiEnvironment& environment, Transport transport,
                                                      Device device, std::string* reason) {
  std::unique_ptr<Communicator> host =
      make_mpi_communicator(environment, transport == Transport::kNccl ? Transport::kAuto : transport);
  const int64_t is_cuda = device.kind == DeviceKind::kCuda ? 1 : 0;
  const int64_t most = host->all_reduce_max(is_cuda);
  LS_REQUIRE(ConfigError, host->all_reduce_min(is_cuda) == most,
             "some ranks compute on CUDA devices and some on the CPU, this one on {}; all must be of one kind",
             device.to_string());
  if (is_cuda == 1) return make_device_communicator(std::move(host), transport, device, reason);
  LS_REQUIRE(ConfigError, transport != Transport::kNccl,
             "transport nccl sums on CUDA devices, but the device is {}; accepted: auto, mpi, shared_memory",
             device.to_string());
  if (reason != nullptr) *reason = fmt::format("sums over ranks by {}", host->transport());
  return host;
}

}  // namespace lockstep
