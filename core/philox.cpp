#include "core/philox.h"

namespace lockstep {

double philox_uniform(uint64_t seed, uint64_t position, uint64_t stream) {
  return static_cast<double>(philox_uniform_bits(seed, position, stream)) * 0x1p-53;
}

}  // namespace lockstep
