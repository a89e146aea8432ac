// Two engines that run the same work in turns, so that what disturbs the machine disturbs both.
#pragma once

#include "core/dtype.h"
#include "launcher/commands/bench/claims.h"
#include "launcher/engine.h"

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace lockstep::bench {

/// One run of the work: seconds, and what else is told of it.
struct TurnFigures {
  double seconds = 0.0, beside = 0.0;
  int64_t steps = 0;
};
/// Turn 0 warms up and does not count. Turns should not find in the cache what others left there.
using Work = std::function<TurnFigures(Engine& engine, int64_t turn)>;

struct TurnSide {
  std::vector<double> seconds, beside;  // by turn
  int32_t ranks = 1;                    // of the engine
  int threads = 1;                      // of a rank
  DType dtype = DType::kF32;
  int64_t steps = 0;  // of the last turn
  bool is_cuda = false;
  std::string device;   // for people: device and instruction set
  PlannerStats before;  // when the first counted turn began
  PlannerStats after;
};
using Turns = std::array<TurnSide, 2>;

/// `sides`: two. Ranks: collective; figures on rank 0, which alone calls `work` where it leads an engine.
Turns take_turns(const ClaimRun& run, std::span<const EngineSettings> sides, const Work& work);

/// A copy of the command line's settings for `batch` sequences of `tokens` tokens, with room for `kept_tokens` more.
EngineSettings settings_for(const ClaimRun& run, int64_t batch, int64_t tokens, int64_t kept_tokens = 0);

}  // namespace lockstep::bench
