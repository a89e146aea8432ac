#include "launcher/replay/run_replay.h"

#include "cache/policy/eviction_policy.h"
#include "cache/replay/stack_distance.h"
#include "core/error.h"
#include "launcher/replay/trace_reader.h"

#include <memory>
#include <utility>

namespace lockstep {
namespace {

RequestTrace read_trace(const ReplaySettings& settings) {
  if (!settings.model.empty()) return read_batch_trace(settings.trace, settings.model, settings.block_tokens());
  if (is_block_trace(settings.trace)) return read_block_trace(settings.trace);
  LS_THROW(
      ConfigError,
      "--trace: the first line of '{}' has no hash_ids; accepted: lines like {}, or a requests file of a batch job "
      "with --model DIR",
      settings.trace, kTraceLineForm);
}

ReplaySeries estimate(const RequestTrace& trace, const std::vector<int64_t>& capacities, int sampling) {
  StackDistance distances({.sampling = sampling, .max_pages = int64_t{1} << 22});
  for (int64_t r = 0; r < trace.num_requests(); ++r) {
    for (const BlockIndex block : trace.request(r)) distances.access(RequestTrace::key(block));
  }
  ReplaySeries series{.policy = "lru-estimate", .points = {}};
  for (const int64_t capacity : capacities) {
    series.points.push_back({capacity, {.accesses = trace.num_accesses(), .hits = distances.hits(capacity)}});
  }
  return series;
}

}  // namespace

ReplayReport run_replay(const ReplaySettings& settings, const std::function<void(const std::string&)>& progress) {
  progress("reading the trace");
  RequestTrace trace = read_trace(settings);
  if (settings.order == "reuse") trace = trace.reordered(depth_first_order(trace));
  const std::vector<uint32_t> next = next_requests(trace);
  const std::vector<int64_t> capacities = settings.capacities();

  ReplayReport report{.num_requests = trace.num_requests(),
                      .num_accesses = trace.num_accesses(),
                      .num_blocks = trace.num_blocks(),
                      .num_ambiguous_ids = trace.num_ambiguous_ids(),
                      .longest_request = trace.longest_request(),
                      .order = settings.order,
                      .series = {}};
  for (const std::string& name : settings.policies()) {
    const bool knows_future = name == "min" || settings.knows_future();
    ReplaySeries series{.policy = name, .points = {}};
    for (const int64_t capacity : capacities) {
      const auto policy = make_eviction_policy(name == "min" ? "adaptive" : name, knows_future);
      const auto tell = [&](int64_t done) {
        progress(fmt::format("{} at {} blocks: {} %", name, capacity, 100 * done / trace.num_requests()));
      };
      tell(0);
      const auto known = knows_future ? std::span<const uint32_t>(next) : std::span<const uint32_t>();
      series.points.push_back({capacity, replay(trace, capacity, *policy, known, tell)});
    }
    report.series.push_back(std::move(series));
  }
  if (settings.estimate >= 0) {
    progress("estimating");
    report.series.push_back(estimate(trace, capacities, static_cast<int>(settings.estimate)));
  }
  return report;
}

}  // namespace lockstep
