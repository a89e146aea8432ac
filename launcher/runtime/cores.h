// Which cores a rank computes on. Open MPI binds few ranks to one core each, which would leave a rank's threads on one
// core and the rest of the node idle; by default every rank of a node takes its equal share instead.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lockstep {

/// Cores that this process may run on now.
std::vector<int> usable_cores();

struct CoreShare {
  std::vector<int> cores;
  std::string reason;  // for the start-up message
};

/// The `local_rank`-th of `local_size` equal runs of `node_cores`; all of them when there are more ranks than cores.
CoreShare share_of_cores(const std::vector<int>& node_cores, int32_t local_rank, int32_t local_size);

/// Applies `bind` ("auto" or "inherit", see --help) to this process and returns the cores it computes on.
CoreShare bind_to_cores(const std::string& bind, int32_t local_rank, int32_t local_size);

/// The same for a rank whose GPU lies beside `near_cores`: its share among the `num_neighbours` ranks of those cores.
CoreShare bind_beside_gpu(const std::string& bind, const std::vector<int>& near_cores, int32_t neighbour,
                          int32_t num_neighbours);

}  // namespace lockstep
