// The results of a replay as a table, as CSV and as a plot.
#pragma once

#include "cache/replay/replay.h"

#include <cstdint>
#include <string>
#include <vector>

namespace lockstep {

/// One policy at one capacity.
struct ReplayPoint {
  int64_t capacity = 0;
  ReplayCounts counts;
};

struct ReplaySeries {
  std::string policy;
  std::vector<ReplayPoint> points;  // by ascending capacity; the same ones in all series
};

struct ReplayReport {
  int64_t num_requests = 0, num_accesses = 0, num_blocks = 0, num_ambiguous_ids = 0, longest_request = 0;
  std::string order = "arrival";
  std::vector<ReplaySeries> series;

  int64_t num_attainable() const { return num_accesses - num_blocks; }
};

/// Lines for people: what the trace is, then hit rates in percent, a line per policy and a column per capacity.
std::string table_of(const ReplayReport& report);
/// Header and one line per policy and capacity; `attainable` is a policy with capacity = all blocks. Rates have six
/// digits, rounded down, by integer arithmetic.
std::string csv_of(const ReplayReport& report);
/// An SVG image: hit rate in percent over the capacity (logarithmic), a line per policy, the attainable rate dashed.
std::string plot_of(const ReplayReport& report);

}  // namespace lockstep
