#include "kernels/cpu/selection/estimate_body.h"

namespace lockstep::cpu {

static_assert(Vec::kWidth == 4, "this file needs the compiler flags of its level");

void estimate_pages_scalar(const EstimateRun& run) { PageEstimator(run).run(); }

}  // namespace lockstep::cpu
