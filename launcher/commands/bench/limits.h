// What the machine can do at best, measured in the same run as what is compared with it: the same clock, the same
// neighbours.
#pragma once

#include "core/dtype.h"
#include "kernels/context.h"
#include "launcher/commands/bench/settings.h"

#include <nlohmann/json.hpp>
#include <string>

namespace lockstep::bench {

struct MachineLimits {
  /// A GPU: copies within its memory, bytes read and written. The CPU: reads by all threads of the rank.
  double bytes_per_second = 0.0;
  /// A large square product through linear().
  double flops_per_second = 0.0;
  std::string text;  // one line: figures and how they were measured

  nlohmann::json to_json() const;
};

/// Ranks: local; measures this rank's device alone.
MachineLimits measure_limits(const OpContext& context, DType dtype, const CommonSettings& settings);

}  // namespace lockstep::bench
