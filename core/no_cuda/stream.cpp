#include "core/error.h"
#include "core/stream_impl.h"

namespace lockstep::cuda {

std::unique_ptr<Stream::Impl> make_stream(Device device) {
  LS_THROW(NotCompiled, "a stream on {}: this build has no CUDA backend", device.to_string());
}

}  // namespace lockstep::cuda
