// The other processes of this node: who they are, and whether they still run. A launcher may take its time to notice a
// process that died, or not care; the ranks that wait for it should not.
#pragma once

#include "dist/communicator.h"

#include <cstdint>
#include <string>
#include <vector>

namespace lockstep {

/// One rank's process. Plain data.
struct PeerProcess {
  uint64_t node = 0;  // equal for ranks that see each other's processes
  int64_t pid = 0;
  uint64_t start_time = 0;  // tells a process from a later one with its number
  int32_t rank = 0;
};

/// What this node knows of process `pid`, which serves as `rank`; start time 0 if there is none.
PeerProcess process_of(int64_t pid, int32_t rank);
/// Every rank but this one on this node. Ranks: collective.
std::vector<PeerProcess> find_local_peers(Communicator& world);
/// False once the process has ended, reaped or not.
bool is_running(const PeerProcess& peer);

}  // namespace lockstep
