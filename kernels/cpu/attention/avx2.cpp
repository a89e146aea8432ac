#include "kernels/cpu/vector/avx2.h"
// The body below is compiled once per level.
#include "kernels/cpu/attention/attend.h"

namespace lockstep::cpu {

void attend_avx2(const AttentionTile& tile) { attend<FloatScores<BFloat16>>(tile); }

}  // namespace lockstep::cpu
