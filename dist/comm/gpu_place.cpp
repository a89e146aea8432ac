#include "dist/comm/gpu_place.h"

#include "core/cuda_api.h"
#include "core/hash.h"
#include "dist/agree.h"

#include <filesystem>
#include <fstream>
#include <unistd.h>

namespace lockstep {
namespace {

std::string boot_id() {
  std::string text;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), text);
  return text;
}

GpuPlace place_of(Device device) {
  GpuPlace place;
  ::gethostname(place.host.data(), place.host.size() - 1);
  const std::string bus_id = cuda_core().device_info(device).pci_bus_id;
  bus_id.copy(place.bus_id.data(), place.bus_id.size() - 1);
  const std::string boot = boot_id();
  const std::string machine = boot.empty() ? place.host.data() : boot;
  std::error_code fault;
  const std::string space = std::filesystem::read_symlink("/proc/self/ns/pid", fault).string();
  place.machine = hash128(machine).low;
  place.process_space = hash128(machine + " " + space).low;
  place.pid = ::getpid();
  return place;
}

}  // namespace

std::vector<GpuPlace> gather_gpu_places(Communicator& control, Device device) {
  const GpuPlace mine = run_on_all_or_fail(control, [&] { return place_of(device); });
  std::vector<GpuPlace> places(static_cast<size_t>(control.size()));
  control.all_gather(std::as_bytes(std::span(&mine, 1)), std::as_writable_bytes(std::span(places)));
  return places;
}

std::optional<std::pair<Rank, Rank>> find_shared_gpu(std::span<const GpuPlace> places) {
  for (size_t b = 1; b < places.size(); ++b) {
    for (size_t a = 0; a < b; ++a) {
      if (places[a].has_gpu_of(places[b])) {
        return std::pair(Rank(static_cast<int32_t>(a)), Rank(static_cast<int32_t>(b)));
      }
    }
  }
  return std::nullopt;
}

std::string describe_shared_gpu(std::span<const GpuPlace> places, std::pair<Rank, Rank> ranks) {
  const GpuPlace& place = places[static_cast<size_t>(ranks.first.value())];
  return fmt::format("ranks {} and {} share the GPU {} of host {}", ranks.first.value(), ranks.second.value(),
                     place.bus_id.data(), place.host.data());
}

}  // namespace lockstep
