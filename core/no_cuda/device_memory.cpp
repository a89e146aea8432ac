#include "core/device_memory.h"

#include "core/error.h"

namespace lockstep::cuda {

void* allocate(int64_t bytes, Device device) {
  LS_THROW(NotCompiled, "{} bytes on {}: this build has no CUDA backend", bytes, device.to_string());
}
void fill_zero(void*, int64_t bytes, Device device) {
  LS_THROW(NotCompiled, "zeroing {} bytes on {}: this build has no CUDA backend", bytes, device.to_string());
}
void deallocate(void*, Device) noexcept {}

}  // namespace lockstep::cuda
