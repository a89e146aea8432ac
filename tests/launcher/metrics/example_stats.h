// Cache figures with a different value in every field, for tests.
#pragma once

#include "launcher/metrics/metrics_snapshot.h"

namespace lockstep::testing_support {

inline CacheStats example_stats() {
  CacheStats stats;
  for (size_t i = 0; i < kNumTiers; ++i) {
    const auto n = static_cast<int64_t>(i) + 1;
    stats.tiers[i] = {.state = TierState::kOn,
                      .reason = {},
                      .capacity_pages = 100 * n,
                      .used_pages = 10 * n,
                      .hit_tokens = 1000 * n,
                      .evicted_pages = 7 * n,
                      .invalidated_pages = 3 * n};
  }
  for (size_t i = 0; i < kNumTransferChannels; ++i) {
    const auto n = static_cast<int64_t>(i) + 1;
    stats.transfers[i] = {.transfers = 11 * n,
                          .pages = 13 * n,
                          .bytes = 4096 * n,
                          .failures = n,
                          .busy_seconds = 0.5 * double(n),
                          .stored_bytes = 1024 * n};
    stats.costs.ns_per_page[i] = 1000 * n;
  }
  stats.tier(Tier::kDisk).state = TierState::kBypassed;
  stats.tier(Tier::kDisk).reason.assign("slower than \"computing\"");
  stats.lookup_tokens = 8000;
  stats.attainable_hit_tokens = 7500;
  stats.sparse = {6, 2, 1, 4, 10, 40, 3.0, 7, 70, 5, 41, 9, 3};
  stats.cold = {8, 5, 9, 4, 1 << 20};
  stats.exposed_stall_seconds = 1.0;
  stats.demoted_pages = 21;
  stats.promoted_pages = 22;
  stats.recomputed_pages = 23;
  stats.preemptions = 24;
  stats.reuse_distances.first_uses = 5;
  for (const int64_t distance : {1, 2, 3, 4, 5, 300}) stats.reuse_distances.add(distance);
  stats.curve.add(100, 0.2);
  stats.curve.add(300, 0.6);
  stats.curve.add(1000, 0.9);
  stats.curve.num_lookups = 400;
  stats.costs.ns_per_prefill_token = 2500;
  return stats;
}

/// One of which nothing else is known.
inline MetricsSnapshot snapshot_in(const std::string& state) {
  MetricsSnapshot snapshot;
  snapshot.state = state;
  return snapshot;
}

inline MetricsSnapshot example_snapshot() {
  MetricsSnapshot snapshot;
  snapshot.info = {.version = "0.1.0",
                   .model = "/a \"model\"\\with\nall",
                   .device = "cpu",
                   .isa = "avx2",
                   .dtype = "bf16",
                   .ranks = 4,
                   .tensor_parallel = 2,
                   .data_parallel = 2};
  snapshot.state = "running";
  snapshot.report = {.rows_total = 10,
                     .rows_done = 4,
                     .rows_failed = 1,
                     .rows_resumed = 2,
                     .prompt_tokens = 500,
                     .generated_tokens = 99,
                     .seconds = 2.5,
                     .seconds_left = 5.0,
                     .gauges = {.running = 3, .waiting = 2, .used_pages = 5, .total_pages = 8}};
  snapshot.report.engines.times = {.steps = 30,
                                   .prefill = 1.0,
                                   .decode = 2.0,
                                   .mixed = 3.0,
                                   .plan = 0.1,
                                   .publish = 0.2,
                                   .forward = 0.3,
                                   .sampling = 0.4,
                                   .wait = 0.5};
  snapshot.report.engines.cache = example_stats();
  snapshot.unix_seconds = 1700000000.5;
  return snapshot;
}

}  // namespace lockstep::testing_support
