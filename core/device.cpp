#include "core/device.h"

namespace lockstep {

std::string Device::to_string() const { return kind == DeviceKind::kCpu ? "cpu" : "cuda:" + std::to_string(ordinal); }

}  // namespace lockstep
