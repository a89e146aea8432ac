#include "launcher/runtime/gpu_placement.h"

#include "core/cuda_api.h"
#include "core/cuda_module.h"
#include "core/hash.h"
#include "launcher/commands/command.h"
#include "launcher/phase.h"
#include "launcher/runtime/gpu_locality.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <unistd.h>

namespace lockstep {
namespace {

// What the ranks tell each other of themselves. Plain data, gathered as bytes.
struct RankGpu {
  std::array<char, 64> host{};
  std::array<char, 32> bus_id{};
  int32_t num_devices = 0;
  Hash128 near_cores{};
};

template <size_t N>
void set_text(std::array<char, N>& to, const std::string& text) {
  std::strncpy(to.data(), text.c_str(), N - 1);
}

std::string host_name() {
  std::array<char, 256> name{};
  gethostname(name.data(), name.size() - 1);
  return name.data();
}

std::vector<RankGpu> gather(Communicator& world, const RankGpu& mine) {
  std::vector<RankGpu> all(static_cast<size_t>(world.size()));
  world.all_gather(std::as_bytes(std::span(&mine, 1)), std::as_writable_bytes(std::span(all)));
  return all;
}

bool same_host(const RankGpu& a, const RankGpu& b) { return std::strcmp(a.host.data(), b.host.data()) == 0; }

// Every rank judges the same list, so all throw alike.
void check_one_rank_per_gpu(const std::vector<RankGpu>& all) {
  for (const RankGpu& one : all) {
    const auto num_ranks = std::count_if(all.begin(), all.end(), [&](const RankGpu& r) { return same_host(r, one); });
    const auto num_sharing = std::count_if(all.begin(), all.end(), [&](const RankGpu& r) {
      return same_host(r, one) && std::strcmp(r.bus_id.data(), one.bus_id.data()) == 0;
    });
    if (num_sharing == 1) continue;
    const std::string message = fmt::format(
        "{} ranks on node {} for {} GPU{}: {} would share GPU {}. Start as many ranks as GPUs (mpirun --map-by "
        "ppr:{}:node), or say --share-gpu",
        num_ranks, one.host.data(), one.num_devices, one.num_devices == 1 ? "" : "s", num_sharing, one.bus_id.data(),
        one.num_devices);
    throw PhaseFailure(message, kExitUsage);
  }
}

// True for CUDA, false for the CPU. All ranks decide alike.
bool choose_cuda(const RuntimeSettings& settings, Communicator& world) {
  if (settings.device == "cpu") return false;
  if (settings.device == "cuda") {
    run_phase(world, kExitUsage,
              [] { LS_REQUIRE(ConfigError, cuda_status().is_ready(), "device = cuda: {}", cuda_status().reason); });
    return true;
  }
  const int64_t mine = cuda_status().is_ready() ? 1 : 0;
  const int64_t least = world.all_reduce_min(mine), most = world.all_reduce_max(mine);
  if (least == most) return most == 1;
  run_phase(world, kExitUsage, [&] {
    LS_REQUIRE(
        ConfigError, mine == 1,
        "device = auto: other ranks have a GPU, this one on node {} has not ({}); say --device cuda once it has, "
        "or --device cpu",
        host_name(), cuda_status().reason);
  });
  return true;
}

}  // namespace

int32_t gpu_ordinal(int32_t num_devices, int32_t local_rank) { return local_rank % num_devices; }

Placement place_rank(const RuntimeSettings& settings, Communicator& world, int32_t local_rank) {
  Placement placement;
  if (!choose_cuda(settings, world)) {
    placement.device = Device::cpu();
    placement.name = "cpu";
    placement.reason = settings.device == "cpu" ? "as asked" : cuda_status().reason;
    return placement;
  }
  RankGpu mine;
  const CudaDeviceInfo info = run_phase(world, kExitFailure, [&] {
    placement.device = Device::cuda(gpu_ordinal(cuda_status().num_devices, local_rank));
    return cuda_core().device_info(placement.device);
  });
  placement.name = fmt::format("cuda {} sm_{}{} runtime {}", info.name, info.compute_major, info.compute_minor,
                               info.runtime_version);
  placement.near_cores = cores_near_pci_device(info.pci_bus_id);
  set_text(mine.host, host_name());
  set_text(mine.bus_id, info.pci_bus_id);
  mine.num_devices = cuda_status().num_devices;
  mine.near_cores = hash128(std::as_bytes(std::span(placement.near_cores)));
  const std::vector<RankGpu> all = gather(world, mine);
  if (!settings.share_gpu) check_one_rank_per_gpu(all);
  require_equal(world, "the GPU model", hash128(placement.name));

  placement.num_neighbours = 0;
  for (size_t rank = 0; rank < all.size(); ++rank) {
    if (!same_host(all[rank], mine) || all[rank].near_cores != mine.near_cores) continue;
    if (static_cast<int32_t>(rank) < world.rank().value()) ++placement.neighbour;
    ++placement.num_neighbours;
  }
  placement.reason = settings.device == "cuda" ? "as asked" : "every rank has a GPU";
  return placement;
}

}  // namespace lockstep
