// Timing events as marks in streams, inside the CUDA module; see core/cuda_api.h for the contract.
#pragma once

#include "core/cuda_api.h"

#include <memory>

namespace lockstep::cuda {

std::unique_ptr<TimedMarks> make_timed_marks(Device device);

}  // namespace lockstep::cuda
