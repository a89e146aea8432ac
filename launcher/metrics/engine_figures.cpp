#include "launcher/metrics/engine_figures.h"

#include "cache/replay/stack_distance.h"
#include "launcher/engine.h"

#include <type_traits>

namespace lockstep {

static_assert(std::is_trivially_copyable_v<EngineFigures>, "its bytes are sent between ranks");

StepTimes operator+(const StepTimes& left, const StepTimes& right) {
  return {.steps = left.steps + right.steps,
          .prefill = left.prefill + right.prefill,
          .decode = left.decode + right.decode,
          .mixed = left.mixed + right.mixed,
          .plan = left.plan + right.plan,
          .publish = left.publish + right.publish,
          .forward = left.forward + right.forward,
          .sampling = left.sampling + right.sampling,
          .wait = left.wait + right.wait};
}

EngineFigures operator+(const EngineFigures& left, const EngineFigures& right) {
  return {.times = left.times + right.times, .cache = left.cache + right.cache};
}

namespace {

void describe_tiers(const Engine& engine, CacheStats& cache) {
  const PlannerStats& stats = engine.planner_stats();
  const TierConfig& tiers = engine.tier_config();
  cache.tier(Tier::kDevice).capacity_pages = engine.config().num_slots;
  cache.tier(Tier::kDevice).used_pages = stats.used_slots;
  cache.tier(Tier::kHost).capacity_pages = tiers.host_slots + tiers.cold_slots;
  const int64_t saved = engine.kv_layout().page_bytes() - engine.cold_layout().page_bytes();
  cache.cold = {.capacity_pages = tiers.cold_slots,
                .used_pages = stats.used_cold_slots,
                .transcoded_pages = stats.transcoded_pages,
                .promoted_pages = stats.promoted_cold_pages,
                .saved_bytes = tiers.cold_slots > 0 ? stats.used_cold_slots * saved : 0};
  cache.tier(Tier::kHost).used_pages = stats.used_host_slots;
  cache.tier(Tier::kDisk).capacity_pages = tiers.disk_pages + static_cast<int64_t>(tiers.stored.size());
  cache.tier(Tier::kDisk).used_pages = stats.stored_now;
  const bool has_disk = tiers.disk_pages > 0 || !tiers.stored.empty();
  for (const Tier which : {Tier::kDevice, Tier::kHost, Tier::kDisk}) {
    const auto index = static_cast<size_t>(which);
    TierStats& tier = cache.tier(which);
    tier.hit_tokens = stats.hit_tokens[index];
    tier.evicted_pages = stats.evictions[index];
    tier.invalidated_pages = stats.invalidations[index];
    if (which == Tier::kDevice || (which == Tier::kHost && tiers.host_slots > 0) ||
        (which == Tier::kDisk && has_disk)) {
      tier.state = TierState::kOn;
    }
    if (engine.is_bypassed(which)) {
      tier.state = TierState::kBypassed;
      tier.reason.assign("computing a page is faster than loading it, as measured at start");
    }
    if (stats.off[index]) {
      tier.state = TierState::kSwitchedOff;
      tier.reason.assign("repeated faults");
    }
  }
}

// Failures are those of any rank; the rest is of the leader's own copies.
void describe_transfers(const Engine& engine, CacheStats& cache) {
  const MoverStats moves = engine.mover_stats();
  const PlannerStats& stats = engine.planner_stats();
  cache.exposed_stall_seconds = moves.exposed_seconds();
  for (size_t channel = 0; channel < kNumTransferChannels; ++channel) {
    const ChannelStats& moved = moves.channels[channel];
    TransferStats& transfer = cache.transfers[channel];
    transfer.transfers = transfer.pages = moved.transfers - moved.failures;
    transfer.bytes = moved.bytes;
    transfer.failures = stats.failed_transfers[channel];
    transfer.busy_seconds = moved.busy_seconds;
  }
  const DiskStoreBytes disk = engine.disk_bytes();
  cache.transfer(TransferChannel::kToDisk).stored_bytes = disk.written_stored;
  cache.transfer(TransferChannel::kFromDisk).stored_bytes = disk.read_stored;
  const PageCosts& costs = engine.page_costs();
  const int64_t page_tokens = engine.config().page_tokens;
  cache.costs.ns_per_page[static_cast<size_t>(TransferChannel::kToDevice)] = costs.from_host;
  cache.costs.ns_per_page[static_cast<size_t>(TransferChannel::kFromDisk)] = costs.from_disk;
  cache.costs.ns_per_prefill_token = costs.compute / page_tokens;
}

// Of whole pages of prompts, each counted when its request is admitted first.
void describe_reuse(const Engine& engine, CacheStats& cache) {
  const StackDistance& reuse = engine.planner().reuse();
  const int64_t lookups = reuse.num_accesses(), repeated = lookups - reuse.num_first();
  if (engine.config().share_prefixes) cache.attainable_hit_tokens = engine.planner_stats().attainable_hit_tokens;
  cache.reuse_distances.first_uses = reuse.num_first();
  const std::vector<int64_t> histogram = reuse.histogram();
  for (size_t bucket = 0; bucket < histogram.size() && bucket < ReuseDistances::kNumBuckets; ++bucket) {
    // A distance that does not count the page itself, [2^(i-1), 2^i), is within (2^(i-1), 2^i] with it.
    if (histogram[bucket] > 0) cache.reuse_distances.add(ReuseDistances::bound(bucket), histogram[bucket]);
  }
  if (lookups == 0 || repeated == 0) return;
  cache.curve.num_lookups = lookups;
  const int64_t all = cache.tier(Tier::kDevice).capacity_pages + cache.tier(Tier::kHost).capacity_pages +
                      cache.tier(Tier::kDisk).capacity_pages;
  int64_t last = 0;
  for (int64_t eighths = 1; eighths <= 32; eighths += eighths < 8 ? 1 : 4) {
    const int64_t capacity = all * eighths / 8;
    if (capacity <= last) continue;
    cache.curve.add(capacity, static_cast<double>(reuse.hits(capacity)) / static_cast<double>(lookups));
    last = capacity;
  }
}

}  // namespace

EngineFigures figures_of(const Engine& engine) {
  const EngineTimes& times = engine.times();
  const PlannerStats& stats = engine.planner_stats();
  EngineFigures figures;
  figures.times = {.steps = times.steps,
                   .prefill = times.prefill,
                   .decode = times.decode,
                   .mixed = times.mixed,
                   .plan = times.plan,
                   .publish = times.publish,
                   .forward = times.forward,
                   .sampling = times.sampling,
                   .wait = times.wait};
  CacheStats& cache = figures.cache;
  cache.lookup_tokens = stats.prompt_tokens;
  cache.preemptions = stats.preemptions;
  cache.demoted_pages = stats.demoted_pages + stats.stored_pages;
  cache.promoted_pages = stats.promoted_pages + stats.fetched_pages;
  const SelectionTotals selected = engine.selection_totals();
  const HotTotals hot = engine.hot_totals();
  constexpr double kMassUnits = 1 << 20;
  cache.sparse = {selected.lists,
                  selected.dense_lists,
                  selected.fallback_lists,
                  selected.fallback_rows,
                  selected.pages_read,
                  selected.pages_there,
                  static_cast<double>(selected.mass) / kMassUnits,
                  stats.offloaded_pages,
                  stats.in_place_page_reads,
                  stats.peak_in_place_pages,
                  hot.hits,
                  hot.fetched,
                  hot.in_place};
  describe_tiers(engine, cache);
  describe_transfers(engine, cache);
  describe_reuse(engine, cache);
  return figures;
}

}  // namespace lockstep
