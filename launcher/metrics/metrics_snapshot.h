// All that metrics show of a job, at one moment: plain values that no engine thread changes any more.
#pragma once

#include "launcher/batch/progress.h"

#include <cstdint>
#include <string>

namespace lockstep {

/// What does not change while the job runs.
struct JobInfo {
  std::string version;
  // Known once the model is open; until then empty and 0.
  std::string model, device, isa, dtype;
  int64_t ranks = 0, tensor_parallel = 0, data_parallel = 0;
};

struct MetricsSnapshot {
  JobInfo info;
  std::string state;  // as StatusFile::write
  ProgressReport report;
  double unix_seconds = 0.0;  // when it was taken
};

}  // namespace lockstep
