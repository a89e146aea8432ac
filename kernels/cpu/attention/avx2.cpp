#include "kernels/cpu/attention/attend.h"

namespace lockstep::cpu {

static_assert(Vec::kWidth == 8, "this file needs the compiler flags of its level");

void attend_avx2(const AttentionTile& tile) { attend<FloatScores<BFloat16>>(tile); }

}  // namespace lockstep::cpu
