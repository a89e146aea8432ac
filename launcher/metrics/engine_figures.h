// What one replica's engine did, as its leader tells it to rank 0 while the job runs: times and cache figures. Plain
// data: its bytes are sent between ranks.
#pragma once

#include "cache/cache_stats.h"

#include <cstdint>

namespace lockstep {

class Engine;

/// Where the time of the steps went, in seconds of the leader's clock.
struct StepTimes {
  int64_t steps = 0;
  double prefill = 0.0, decode = 0.0, mixed = 0.0;  // steps with prompt tokens only, single tokens only, both
  // The same time by what the host did; see EngineTimes.
  double plan = 0.0, publish = 0.0, forward = 0.0, sampling = 0.0, wait = 0.0;
  bool operator==(const StepTimes&) const = default;
};

struct EngineFigures {
  StepTimes times;
  CacheStats cache;
  bool operator==(const EngineFigures&) const = default;
};

StepTimes operator+(const StepTimes& left, const StepTimes& right);
EngineFigures operator+(const EngineFigures& left, const EngineFigures& right);

/// The engine's figures now. Leader; the thread that steps.
EngineFigures figures_of(const Engine& engine);

}  // namespace lockstep
