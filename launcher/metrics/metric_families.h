// A snapshot as Prometheus metrics: names, help, types, labels. docs/metrics.md lists them. Pure functions.
#pragma once

#include "launcher/metrics/metrics_snapshot.h"

#include <prometheus/metric_family.h>
#include <string>
#include <vector>

namespace lockstep {

/// All metrics of the job. Names are unique, and a name's series have the same labels in every snapshot; what is not
/// known has no series.
std::vector<prometheus::MetricFamily> metric_families(const MetricsSnapshot& snapshot);
/// The part about the cache.
std::vector<prometheus::MetricFamily> cache_families(const CacheStats& stats);

/// The same in Prometheus' text format 0.0.4.
std::string format_metrics(const MetricsSnapshot& snapshot);

}  // namespace lockstep
