#include "kernels/op_state.h"

#include "core/error.h"
#include "kernels/cuda_api.h"

namespace lockstep {

std::unique_ptr<OpState> make_op_state(Device device) {
  LS_CHECK(device.kind == DeviceKind::kCuda, "operations on {} keep no state", device.to_string());
  return cuda_kernels().make_op_state(device);
}

}  // namespace lockstep
