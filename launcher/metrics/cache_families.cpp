#include "launcher/metrics/family_builder.h"
#include "launcher/metrics/metric_families.h"

#include <limits>

namespace lockstep {
namespace {

using prometheus::MetricFamily;

constexpr double kSecondsPerNanosecond = 1e-9;

// Collects families of one CacheStats.
class Collector {
 public:
  explicit Collector(const CacheStats& stats) : stats_(stats) {}

  /// A family without series is left out.
  void add(FamilyBuilder builder) {
    if (!builder.is_empty()) families_.push_back(builder.take());
  }
  template <class Value>
  void add_by_tier(FamilyBuilder builder, Value TierStats::*member) {
    for (size_t i = 0; i < kNumTiers; ++i)
      builder.add(stats_.tiers[i].*member, {{"tier", name_of(static_cast<Tier>(i))}});
    add(std::move(builder));
  }
  template <class Value>
  void add_by_channel(FamilyBuilder builder, Value TransferStats::*member) {
    for (size_t i = 0; i < kNumTransferChannels; ++i)
      builder.add(stats_.transfers[i].*member, {{"channel", name_of(static_cast<TransferChannel>(i))}});
    add(std::move(builder));
  }
  std::vector<MetricFamily> take() { return std::move(families_); }

 private:
  const CacheStats& stats_;
  std::vector<MetricFamily> families_;
};

void add_tiers(Collector& to, const CacheStats& stats) {
  FamilyBuilder states = gauge("cache_tier_state", "1 for the state that the tier is in, 0 for the others.");
  for (size_t tier = 0; tier < kNumTiers; ++tier)
    for (size_t i = 0; i < kNumTierStates; ++i) {
      const auto state = static_cast<TierState>(i);
      states.add(stats.tiers[tier].state == state ? 1 : 0,
                 {{"tier", name_of(static_cast<Tier>(tier))}, {"state", name_of(state)}});
    }
  to.add(std::move(states));
  to.add_by_tier(gauge("cache_capacity_pages", "Pages that the tier can hold."), &TierStats::capacity_pages);
  to.add_by_tier(gauge("cache_used_pages", "Pages that the tier holds."), &TierStats::used_pages);
  to.add_by_tier(counter("cache_hit_tokens_total", "Prompt tokens found in the cache, by the fastest tier with them."),
                 &TierStats::hit_tokens);
  to.add_by_tier(counter("cache_evicted_pages_total", "Pages that left the tier for others."),
                 &TierStats::evicted_pages);
  to.add_by_tier(counter("cache_invalidated_pages_total", "Pages that left the tier because of a fault."),
                 &TierStats::invalidated_pages);
}

void add_lookups(Collector& to, const CacheStats& stats) {
  to.add(counter("cache_lookup_tokens_total", "Prompt tokens looked up in the cache.").add(stats.lookup_tokens));
  if (stats.attainable_hit_tokens != kNotCounted)
    to.add(counter("cache_attainable_hit_tokens_total",
                   "Prompt tokens looked up whose page had been computed before, or was stored when the job began.")
               .add(stats.attainable_hit_tokens));
  to.add(counter("cache_demoted_pages_total", "Pages copied to a slower tier.").add(stats.demoted_pages));
  to.add(counter("cache_promoted_pages_total", "Pages copied to a faster tier.").add(stats.promoted_pages));
  if (stats.recomputed_pages != kNotCounted)
    to.add(counter("cache_recomputed_pages_total", "Pages computed again after they had been evicted.")
               .add(stats.recomputed_pages));
  to.add(
      counter("cache_preemptions_total", "Sequences that gave their pages up for older ones.").add(stats.preemptions));
}

void add_transfers(Collector& to, const CacheStats& stats) {
  to.add_by_channel(counter("cache_transfers_total", "Copies between tiers that ended well."),
                    &TransferStats::transfers);
  to.add_by_channel(counter("cache_transfer_pages_total", "Pages copied between tiers."), &TransferStats::pages);
  to.add_by_channel(counter("cache_transfer_bytes_total", "Bytes copied between tiers, by the leaders' ranks."),
                    &TransferStats::bytes);
  FamilyBuilder stored =
      counter("cache_transfer_stored_bytes_total", "What those bytes were on the disk: fewer where pages are packed.");
  for (const TransferChannel channel : {TransferChannel::kToDisk, TransferChannel::kFromDisk})
    stored.add(stats.transfer(channel).stored_bytes, {{"channel", name_of(channel)}});
  to.add(std::move(stored));
  to.add_by_channel(counter("cache_transfer_busy_seconds_total", "Time with a copy under way."),
                    &TransferStats::busy_seconds);
  to.add_by_channel(counter("cache_transfer_failures_total", "Copies between tiers that failed."),
                    &TransferStats::failures);
  if (const ColdStats& cold = stats.cold; cold.is_used()) {
    to.add(gauge("cache_cold_capacity_pages", "Pages that the host can hold in the cold format.")
               .add(cold.capacity_pages));
    to.add(gauge("cache_cold_used_pages", "Pages that the host holds in the cold format.").add(cold.used_pages));
    to.add(counter("cache_transcoded_pages_total", "Pages that got the cold format.").add(cold.transcoded_pages));
    to.add(counter("cache_cold_promoted_pages_total", "Pages that came back to the device from the cold format.")
               .add(cold.promoted_pages));
    to.add(gauge("cache_cold_saved_bytes", "Bytes of a rank that cold pages do not take now.").add(cold.saved_bytes));
  }
  if (stats.sparse.is_used()) {
    to.add(
        counter("sparse_pages_read_total", "Pages that sparse attention read, by token, layer and KV head of rank 0.")
            .add(stats.sparse.pages_read));
    to.add(counter("sparse_pages_there_total", "Pages that dense attention would have read.")
               .add(stats.sparse.pages_there));
    to.add(counter("sparse_lists_total", "Choices of sparse attention that left pages out.").add(stats.sparse.lists));
    to.add(counter("sparse_dense_lists_total", "Choices of sparse attention that left no page out.")
               .add(stats.sparse.dense));
    to.add(counter("sparse_fallback_lists_total", "Of those, the ones in layers that may leave pages out.")
               .add(stats.sparse.fallback));
    to.add(counter("sparse_fallback_tokens_total", "Tokens with too few positions or pages to leave any out.")
               .add(stats.sparse.fallback_tokens));
    to.add(counter("sparse_estimated_mass_total", "Sum over choices of the estimated share of attention that was read.")
               .add(stats.sparse.mass));
    to.add(counter("sparse_offloaded_pages_total", "Pages that were left to the host while sequences read them.")
               .add(stats.sparse.offloaded_pages));
    to.add(counter("sparse_in_place_page_reads_total", "Pages of rows that lay on the host, in each step.")
               .add(stats.sparse.in_place_page_reads));
    to.add(gauge("sparse_peak_in_place_pages", "Most pages at a time that sequences read on the host alone.")
               .add(stats.sparse.peak_in_place_pages));
    to.add(counter("sparse_hot_reads_total", "Listed pages on the host of which the device had a copy.")
               .add(stats.sparse.hot_reads));
    to.add(counter("sparse_hot_fetches_total", "Listed pages on the host that were copied to the device.")
               .add(stats.sparse.hot_fetches));
    to.add(counter("sparse_hot_misses_total", "Listed pages on the host that found no room on the device.")
               .add(stats.sparse.hot_misses));
  }
  to.add(counter("cache_exposed_stall_seconds_total", "Time that steps waited for copies.")
             .add(stats.exposed_stall_seconds));
  if (const auto overlap = stats.overlap_ratio())
    to.add(gauge("cache_overlap_ratio", "Share of the copies' time that no step waited for.").add(*overlap));
}

void add_reuse_distances(Collector& to, const ReuseDistances& distances) {
  if (!distances.is_counted()) return;
  to.add(counter("cache_first_uses_total", "Page uses that were the first of their page.").add(distances.first_uses));
  prometheus::ClientMetric metric;
  uint64_t count = 0;
  for (size_t i = 0; i < ReuseDistances::kNumBuckets; ++i) {
    count += static_cast<uint64_t>(distances.buckets[i]);
    const bool is_last = i + 1 == ReuseDistances::kNumBuckets;
    const double bound =
        is_last ? std::numeric_limits<double>::infinity() : static_cast<double>(ReuseDistances::bound(i));
    metric.histogram.bucket.push_back({count, bound});
  }
  metric.histogram.sample_count = count;
  metric.histogram.sample_sum = static_cast<double>(distances.sum);
  to.add(FamilyBuilder("cache_reuse_distance_pages",
                       "Different pages used since a page's last use, itself included, when it was used again.",
                       prometheus::MetricType::Histogram)
             .add(std::move(metric)));
}

void add_estimates(Collector& to, const CacheStats& stats) {
  if (stats.curve.num_points == 0) return;
  FamilyBuilder curve = gauge("cache_estimated_hit_ratio", "Hits by lookups that a cache of so many pages would have.");
  for (size_t i = 0; i < static_cast<size_t>(stats.curve.num_points); ++i) {
    const MissRatioCurve::Point& point = stats.curve.points[i];
    curve.add(point.hit_ratio, {{"capacity_pages", std::to_string(point.capacity_pages)}});
  }
  to.add(std::move(curve));
  FamilyBuilder what_if = gauge("cache_what_if_hit_ratio", "Hits by lookups if the tier were so many times as large.");
  for (size_t i = 0; i < kNumTiers; ++i) {
    const auto tier = static_cast<Tier>(i);
    if (const auto half = stats.hit_ratio_if(tier, 0.5))
      what_if.add(*half, {{"tier", name_of(tier)}, {"scale", "0.5"}});
    if (const auto twice = stats.hit_ratio_if(tier, 2.0))
      what_if.add(*twice, {{"tier", name_of(tier)}, {"scale", "2"}});
  }
  to.add(std::move(what_if));
}

void add_costs(Collector& to, const CacheCosts& costs) {
  FamilyBuilder pages = gauge("cache_cost_page_seconds", "Measured at start: time to copy a page.");
  for (size_t i = 0; i < kNumTransferChannels; ++i) {
    if (costs.ns_per_page[i] == 0) continue;
    pages.add(static_cast<double>(costs.ns_per_page[i]) * kSecondsPerNanosecond,
              {{"channel", name_of(static_cast<TransferChannel>(i))}});
  }
  to.add(std::move(pages));
  if (costs.ns_per_prefill_token > 0)
    to.add(gauge("cache_cost_prefill_token_seconds", "Measured at start: time to compute a prompt token.")
               .add(static_cast<double>(costs.ns_per_prefill_token) * kSecondsPerNanosecond));
}

}  // namespace

std::vector<MetricFamily> cache_families(const CacheStats& stats) {
  Collector collector(stats);
  add_tiers(collector, stats);
  add_lookups(collector, stats);
  add_transfers(collector, stats);
  add_reuse_distances(collector, stats.reuse_distances);
  add_estimates(collector, stats);
  add_costs(collector, stats.costs);
  return collector.take();
}

}  // namespace lockstep
