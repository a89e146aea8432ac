#include "launcher/runtime/cores.h"

#include "core/error.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <sched.h>

namespace lockstep {
namespace {

void set_affinity(const std::vector<int>& cores) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int core : cores) CPU_SET(static_cast<size_t>(core), &set);
  sched_setaffinity(0, sizeof(set), &set);  // a hint for speed: a refusal leaves the process where it was
}

// Undoes the launcher's binding as far as the system allows (a container's or job's cpuset stays in force).
std::vector<int> cores_of_node() {
  const std::vector<int> bound = usable_cores();
  std::vector<int> all;
  for (int core = 0; core < CPU_SETSIZE; ++core) all.push_back(core);
  set_affinity(all);
  const std::vector<int> node = usable_cores();
  set_affinity(bound);
  return node;
}

// A batch system that places tasks knows more than we do; mpirun's own default does not.
bool launcher_binds_on_purpose() {
  return std::getenv("SLURM_CPU_BIND") != nullptr || std::getenv("OMPI_COMM_WORLD_SIZE") == nullptr;
}

}  // namespace

std::vector<int> usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cores;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return {0};
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(static_cast<size_t>(core), &set)) cores.push_back(core);
  }
  return cores;
}

CoreShare share_of_cores(const std::vector<int>& node_cores, int32_t local_rank, int32_t local_size) {
  const auto total = static_cast<int64_t>(node_cores.size());
  if (local_size > total) {
    return {node_cores, fmt::format("{} ranks share {} cores: not bound", local_size, total)};
  }
  const int64_t begin = total * local_rank / local_size, end = total * (local_rank + 1) / local_size;
  return {{node_cores.begin() + begin, node_cores.begin() + end},
          fmt::format("{} of {} cores of the node for each of its {} ranks", end - begin, total, local_size)};
}

CoreShare bind_beside_gpu(const std::string& bind, const std::vector<int>& near_cores, int32_t neighbour,
                          int32_t num_neighbours) {
  if (bind == "inherit" || launcher_binds_on_purpose()) return {usable_cores(), "as the process was started"};
  std::vector<int> usable;
  const std::vector<int> node = cores_of_node();
  std::set_intersection(node.begin(), node.end(), near_cores.begin(), near_cores.end(), std::back_inserter(usable));
  if (usable.empty()) return {usable_cores(), "as the process was started: the GPU's own cores are not ours"};
  CoreShare share = share_of_cores(usable, neighbour, num_neighbours);
  set_affinity(share.cores);
  share.reason = fmt::format("{} cores beside the GPU", share.cores.size());
  return share;
}

CoreShare bind_to_cores(const std::string& bind, int32_t local_rank, int32_t local_size) {
  if (bind == "inherit" || launcher_binds_on_purpose()) return {usable_cores(), "as the process was started"};
  CoreShare share = share_of_cores(cores_of_node(), local_rank, local_size);
  set_affinity(share.cores);
  return share;
}

}  // namespace lockstep
