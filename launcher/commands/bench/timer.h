// Seconds of one call, measured over enough calls that the clock and the launch do not count.
#pragma once

#include "kernels/context.h"
#include "launcher/commands/bench/statistics.h"

#include <cstdint>
#include <functional>

namespace lockstep::bench {

struct TimerSettings {
  int64_t repeats = 5;
  double least_seconds = 0.02;  // of one measurement
  int64_t rotation = 1;         // call(i) and call(i + rotation) touch the same memory
};

/// Times `call(i)` with i = 0, 1, …, which enqueues on the context's stream. On CUDA the calls are recorded as a graph
/// where they can be, so that a short operation is not measured as its launch. Two calls warm up.
Spread seconds_per_call(const OpContext& context, const TimerSettings& settings,
                        const std::function<void(int64_t)>& call);

}  // namespace lockstep::bench
