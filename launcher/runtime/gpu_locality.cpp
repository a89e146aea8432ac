#include "launcher/runtime/gpu_locality.h"

#include <hwloc.h>

namespace lockstep {

std::vector<int> cores_near_pci_device(const std::string& bus_id) {
  std::vector<int> cores;
  hwloc_topology_t topology = nullptr;
  if (hwloc_topology_init(&topology) != 0) return cores;
  hwloc_topology_set_io_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_IMPORTANT);
  if (hwloc_topology_load(topology) == 0) {
    hwloc_obj_t near = hwloc_get_pcidev_by_busidstring(topology, bus_id.c_str());
    if (near != nullptr) near = hwloc_get_non_io_ancestor_obj(topology, near);
    if (near != nullptr && near->cpuset != nullptr) {
      for (int core = hwloc_bitmap_first(near->cpuset); core >= 0; core = hwloc_bitmap_next(near->cpuset, core)) {
        cores.push_back(core);
      }
    }
  }
  hwloc_topology_destroy(topology);
  return cores;
}

}  // namespace lockstep
