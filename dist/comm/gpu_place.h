// Which process and which GPU each rank has: decides whether NCCL can join them, and whose processes to watch.
#pragma once

#include "core/device.h"
#include "dist/communicator.h"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace lockstep {

/// One rank's place. Plain data, sent between ranks.
struct GpuPlace {
  std::array<char, 65> host{};    // name, for messages
  std::array<char, 24> bus_id{};  // of the GPU, "0000:01:00.0"
  uint64_t machine = 0;           // equal for ranks of one machine, in whatever containers
  uint64_t process_space = 0;     // equal for ranks that see each other's process numbers
  int64_t pid = 0;

  bool has_gpu_of(const GpuPlace& other) const { return machine == other.machine && bus_id == other.bus_id; }
};

/// Everyone's place, by rank. Ranks: collective. Throws: CommError on every rank if one has no such device.
std::vector<GpuPlace> gather_gpu_places(Communicator& control, Device device);

/// The first two ranks that share a GPU, if any do.
std::optional<std::pair<Rank, Rank>> find_shared_gpu(std::span<const GpuPlace> places);

/// "ranks 0 and 1 share the GPU 0000:01:00.0 of host n17".
std::string describe_shared_gpu(std::span<const GpuPlace> places, std::pair<Rank, Rank> ranks);

}  // namespace lockstep
