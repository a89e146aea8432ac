// Recording of device work inside the CUDA module; see core/graph.h.
#pragma once

#include "core/cuda_api.h"

#include <functional>
#include <memory>

namespace lockstep::cuda {

std::unique_ptr<GraphImpl> capture(Stream& stream, const std::function<void()>& work);

}  // namespace lockstep::cuda
