// Which cores of a node lie beside a GPU: copies from memory of another socket are slower.
#pragma once

#include <string>
#include <vector>

namespace lockstep {

/// Cores beside the PCI device ("0000:1b:00.0"), of those that this process may use; empty where the machine does not
/// tell. Never throws.
std::vector<int> cores_near_pci_device(const std::string& bus_id);

}  // namespace lockstep
